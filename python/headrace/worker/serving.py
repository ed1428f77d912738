"""A worker: loads one function and answers the engine's calls until the engine is gone."""

from __future__ import annotations

import ctypes
import decimal
import gc
import json
import os
import pathlib
import resource
import time
import traceback
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from headrace.column_types import columns_of_documents
from headrace.errors import FunctionLoad, FunctionRaised, FunctionResult, HeadraceError
from headrace.loading import load_file
from headrace.user_function import UserFunction
from headrace.worker import sandbox
from headrace.worker.arrow_columns import ColumnReader, result_buffers
from headrace.worker.calling import call_types, caller_of
from headrace.worker.memory_watch import MemoryWatch
from headrace.worker.segment import STATE_ERROR, STATE_FREE, STATE_RESULT, ResultTooLarge, Segment
from headrace.worker.values import WrongResult

CODE_RESULT_TOO_LARGE = 1  # Not an error for the user: the engine asks again with fewer rows.
FRAMES_MAX = 8
TEXT_MAX = 8192
RECYCLE_AT = 0.8  # Of the memory budget, measured between calls.

_PACKAGE = str(pathlib.Path(__file__).resolve().parent.parent)


def load_library(path: str) -> ctypes.CDLL:
    """The atomic operations on the state word, from src/udf/worker_abi.cc. ctypes gives up the GIL while they wait."""
    library = ctypes.CDLL(path)
    library.headrace_await_request.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.headrace_answer.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.headrace_answer.restype = None
    library.headrace_die_with_parent.argtypes = [ctypes.c_int]
    library.headrace_die_with_parent.restype = None
    return library


def serve(project: pathlib.Path, abi: ctypes.CDLL, channel: int, memory: int, *, file: str, function: str, hash: str,
          memory_bytes: int, rows: list[dict[str, Any]], network: bool, writes: Sequence[str]) -> None:  # fmt: skip
    """Runs `function` of `file` on each request in the segment `memory`; returns when the engine closes `channel`."""
    segment = Segment(memory)
    os.close(memory)
    data_bytes = status_bytes("VmData")
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes + memory_bytes, data_bytes + memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.set_threshold(100_000, 20, 50)  # Rows are many objects that counts free; 700 looks at them in vain.
    decimal.getcontext().prec = 76  # Python's 28 digits would round a DECIMAL(38, s) in silence; twice 38 keeps a product exact.
    sandbox.confine(network=network, writes=[str(project / path) for path in writes])
    try:
        target = _find(project, file, function, hash)
        worker = _Worker(target, segment, rows)
    except HeadraceError as failure:
        segment.request()
        place = f"{failure.at}: " if failure.at else ""
        segment.finish(0, FunctionLoad.code, segment.write_text(place + failure.message), 0, 0, 0, True, 0, 0)
        abi.headrace_answer(segment.address, channel, STATE_ERROR)
        return
    abi.headrace_answer(segment.address, channel, STATE_FREE)
    worker.run(abi, channel, status_bytes("VmRSS") + int(memory_bytes * RECYCLE_AT))


class _Worker:
    def __init__(self, function: UserFunction, segment: Segment, rows: list[dict[str, Any]]) -> None:
        self._function = function
        self._name = function.name
        self._told, self._reports = "", 0
        self._segment = segment
        columns = columns_of_documents(rows)
        self._call = caller_of(function, columns)
        arguments, self._result = call_types(function, columns)
        self._readers = [ColumnReader(argument) for argument in arguments]
        self._memory = MemoryWatch(lambda: status_bytes("VmRSS"))

    def run(self, abi: ctypes.CDLL, channel: int, resident_bytes_max: int) -> None:
        self._resident_bytes_max = resident_bytes_max
        address = self._segment.address
        while abi.headrace_await_request(address, channel):
            state, spent = self._answer()
            abi.headrace_answer(address, channel, state)
            if spent:
                return  # The engine starts a fresh process with the next call.

    def _answer(self) -> tuple[int, bool]:
        """Answers one request; gives the new state, and whether this process had better end."""
        started_ns = time.monotonic_ns()
        generation, rows, one_by_one, spans = self._segment.request()
        code, text, count, spent = 0, "", 0, False
        try:
            places = iter(spans)
            arguments = [reader.read(self._segment.buffer, rows, places) for reader in self._readers]
            if one_by_one:
                self._call_each(arguments, rows)
            else:
                count = self._segment.write_result(result_buffers(self._call(arguments, rows), self._result))
        except ResultTooLarge:
            code = CODE_RESULT_TOO_LARGE
        except WrongResult as failure:
            code, text = FunctionResult.code, f"{self._name} {shown(failure)}"
        except MemoryError:
            code, text, spent = FunctionRaised.code, "MemoryError: the function needs more than its memory budget", True
        except SystemExit:
            raise
        except BaseException as failure:  # KeyboardInterrupt and its like are the function's own: nobody else raises them here.
            code, text = FunctionRaised.code, short_traceback(failure)
        ended_ns = time.monotonic_ns()
        if self._memory.look(ended_ns):
            self._report()
        spent = spent or self._memory.resident_bytes > self._resident_bytes_max
        text_bytes = self._segment.write_text(text) if code else 0
        memory = self._memory
        self._segment.finish(
            generation, code, text_bytes, count, ended_ns - started_ns, memory.resident_bytes, spent, memory.looks, self._reports
        )
        return (STATE_ERROR if code else STATE_RESULT), spent

    def _report(self) -> None:
        """Tells what grows and what the function measures of itself, where it has changed."""
        report = json.dumps({"growing": self._memory.growing, "gauges": self._function.gauges()}, default=float)
        if report != self._told:
            self._told = report
            self._reports += 1
            self._segment.write_report(report)

    def _call_each(self, arguments: list[pa.Array], rows: int) -> None:
        """Calls the function with one row after another and writes no result: the engine looks for the first row that fails."""
        for row in range(rows):
            self._segment.at_row(row)
            one = [pa.concat_arrays([argument.slice(row, 1)]) for argument in arguments]
            result_buffers(self._call(one, 1), self._result)
        self._segment.at_row(rows)  # What happens from here on is no row's fault.


def _find(project: pathlib.Path, file: str, name: str, hash: str) -> UserFunction:
    for found in load_file(project, file, name):
        if found.hash != hash:
            raise FunctionLoad(
                f"the code of {name} is not what the pipeline started with; restart the pipeline", at=f"{file}:{found.function.line}"
            )
        return found.function
    raise FunctionLoad(f"the file has no function {name} any more", at=f"{file}:0")


def shown(failure: BaseException) -> str:
    """The text of an exception, whatever its own code does when it is asked for it."""
    try:
        return str(failure)[:TEXT_MAX]
    except BaseException:
        return "(its text cannot be had: its __str__ fails)"


def short_traceback(failure: BaseException) -> str:
    """Type, message and the user's frames, innermost last."""
    lines = [f"{type(failure).__name__}: {shown(failure)}"]
    try:
        frames = [frame for frame in traceback.extract_tb(failure.__traceback__) if not frame.filename.startswith(_PACKAGE)]
        for frame in frames[-FRAMES_MAX:]:
            lines.append(f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line or ''}".rstrip(": "))
    except BaseException:
        lines.append("  (its traceback cannot be had)")
    if isinstance(failure, PermissionError):
        lines.append(f"  ({sandbox.HINT})")
    return "\n".join(lines)


def status_bytes(field: str) -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0
