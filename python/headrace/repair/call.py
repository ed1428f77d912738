"""Makes one call of a function again, with the arguments and the state that the quarantine kept, and within the same bounds.

`python -m headrace.repair.call FOLDER` is the same in the interpreter that runs it; prints {"result"} or {"code", "message"}.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import json
import os
import pathlib
import resource
import select
import signal
import subprocess
import sys
import time
from typing import Any, NoReturn

import pyarrow as pa

from headrace.column_types import ColumnType, columns_of_documents
from headrace.environments import ensure, environment_of
from headrace.errors import FunctionDied, FunctionRaised, FunctionResult, FunctionTimeout, HeadraceError, error_of
from headrace.loading import load_file
from headrace.user_function import UserFunction
from headrace.worker import sandbox
from headrace.worker.calling import call_types, caller_of
from headrace.worker.serving import short_traceback, status_bytes
from headrace.worker.values import WrongResult

DEFAULT_MEMORY_BYTES = 1 << 30
DEFAULT_TIMEOUT_MS = 30_000


@dataclasses.dataclass(frozen=True)
class KeptCall:
    """A call that `headrace repro` wrote into a folder."""

    function: UserFunction
    arguments: list[pa.Array]  #: One row, as the engine gives them: for a keyed function with state and timers before the call.
    rows: dict[str, ColumnType]  #: The columns of a process function's table.

    def run(self) -> Any:
        """Gives the result as a Python value; raises what the function raises."""
        return caller_of(self.function, self.rows)(self.arguments, 1).to_pylist()[0]


def load(folder: pathlib.Path) -> KeptCall:
    """Loads the call of a folder and the function file that it is a call of."""
    kept = _document(folder)
    function = next(found.function for found in load_file(folder, kept["file"]) if found.function.name == kept["function"])
    rows = columns_of_documents(kept["rows"])
    types, _ = call_types(function, rows)
    values = kept["arguments"].values()
    return KeptCall(function, [pa.array([value_of(kind, value)], kind.arrow()) for kind, value in zip(types, values, strict=True)], rows)


def _document(folder: pathlib.Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "call.json").read_text(encoding="utf-8"), parse_float=decimal.Decimal)
    return document


def call_again(folder: pathlib.Path, *, inline: bool = False) -> Any:
    """Calls the function as the engine did, in a process of its own with its budgets and its sandbox, and in its own environment where it
    has one; gives the result as a Python value. With `inline` it is called in this process without any bounds, for a debugger.

    Raises:
        FunctionRaised, FunctionResult, FunctionDied, FunctionTimeout: what happened in the pipeline happens here.
    """
    if inline:
        return load(folder).run()
    environment = environment_of(folder, _document(folder)["file"])
    if environment is None:
        return _in_child(folder)
    command = [str(ensure(environment)), "-m", "headrace.repair.call", str(folder)]
    return _result(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def main(folder: pathlib.Path) -> None:
    answer = os.dup(1)
    os.dup2(2, 1)  # What the function prints is not the answer.
    try:
        document = {"result": _in_child(folder)}
    except HeadraceError as failure:
        document = {"code": failure.code, "message": failure.message}
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        json.dump(document, out)


def _result(answer: bytes) -> Any:
    document = json.loads(answer)
    if "code" in document:
        raise error_of(document["code"], document["message"])
    return document["result"]


def _in_child(folder: pathlib.Path) -> Any:
    call = load(folder)
    function = call.function
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(call, folder, writing)
    os.close(writing)
    try:
        answer = _read(reading, function.call_timeout_ms or DEFAULT_TIMEOUT_MS)
    except FunctionTimeout:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        _, status = os.waitpid(child, 0)
    if not answer:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
        raise FunctionDied(f"the process of {function.name} ended during a call: {how}")
    return _result(answer)


def _read(descriptor: int, timeout_ms: int) -> bytes:
    """All that the child writes, until it closes the pipe.

    Raises:
        FunctionTimeout: it has not done so in time.
    """
    deadline = time.monotonic() + timeout_ms / 1000
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise FunctionTimeout(f"it ran for more than {timeout_ms} ms and was killed")
        part = os.read(descriptor, 65_536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _answer(call: KeptCall, folder: pathlib.Path, writing: int) -> NoReturn:
    function = call.function
    limit = status_bytes("VmData") + (function.options.memory_bytes or DEFAULT_MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    decimal.getcontext().prec = 76
    sandbox.confine(network=function.options.network, writes=[str(folder / path) for path in function.options.writes])
    document: dict[str, Any]
    try:
        document = {"result": call.run()}
    except WrongResult as failure:
        document = {"code": FunctionResult.code, "message": f"{function.name} {failure}"}
    except MemoryError:
        document = {"code": FunctionRaised.code, "message": "MemoryError: the function needs more than its memory budget"}
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except HeadraceError as failure:
        document = {"code": failure.code, "message": failure.message}
    except BaseException as failure:
        document = {"code": FunctionRaised.code, "message": short_traceback(failure)}
    os.write(writing, json.dumps(document, default=str).encode())
    os._exit(0)


def value_of(kind: ColumnType, value: Any) -> Any:
    """A value as the engine writes it to JSON (docs/reference/http.md) as what pyarrow takes for the type.

    >>> value_of(ColumnType("BLOB"), "AAE="), value_of(ColumnType("DOUBLE"), "NaN")
    (b'\\x00\\x01', nan)
    """
    if value is None:
        return None
    inner = dict(kind.inner)
    match kind.name:
        case "BLOB":
            return base64.b64decode(value)
        case "FLOAT" | "DOUBLE":
            return float(value)
        case "DECIMAL":
            return decimal.Decimal(value)
        case "TIMESTAMP" | "TIMESTAMPTZ":
            return datetime.datetime.fromisoformat(value)
        case "DATE":
            return datetime.date.fromisoformat(value)
        case "TIME":
            return datetime.time.fromisoformat(value)
        case "LIST":
            (item,) = inner.values()
            return [value_of(item, each) for each in value]
        case "MAP":
            key, entry = inner.values()
            return [(value_of(key, _key(key, k)), value_of(entry, v)) for k, v in value.items()]
        case "STRUCT":
            return {name: value_of(field, value[name]) for name, field in kind.inner}
        case _:
            return value


def _key(kind: ColumnType, text: str) -> Any:
    """A map's key, which JSON has as text."""
    return (
        json.loads(text, parse_float=decimal.Decimal)
        if kind.name.endswith("INT") or kind.name in ("INTEGER", "BOOLEAN", "DECIMAL")
        else text
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
