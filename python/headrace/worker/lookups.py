"""Calls of asynchronous functions: the look-ups of a batch run side by side, and their answers stand in the order of the rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from headrace.function import Function
from headrace.worker.values import Caller, values_reader, values_writer

KEPT_S = 5.0


def lookup_caller(function: Function[..., Any]) -> Caller:
    """Of an `async def`. The event loop lives as long as the process, so that a session made in one call serves the next."""
    hints = list(function.signature.parameters.values())
    readers = [values_reader(hint.type) for hint in hints]
    strict = [index for index, hint in enumerate(hints) if not hint.nullable]
    write = values_writer(function.signature.result.type)
    lookups = _Lookups(function)

    def call(arguments: list[pa.Array], rows: int) -> pa.Array:
        columns = [read(argument) for read, argument in zip(readers, arguments, strict=True)]
        given = list(zip(*columns, strict=True)) if columns else [()] * rows
        asked = [row for row, values in enumerate(given) if all(values[index] is not None for index in strict)]
        answers = lookups.run([given[row] for row in asked])
        out: list[Any] = [None] * rows
        for row, answer in zip(asked, answers, strict=True):
            out[row] = answer
        return write(out)

    return call


class _Lookups:
    def __init__(self, function: Function[..., Any]) -> None:
        self._body = function.body
        self._concurrency = function.concurrency
        self._timeout_s = function.options.timeout_ms / 1000 if function.options.timeout_ms else None
        self._loop = asyncio.new_event_loop()
        # Answers of a call in which another look-up failed: the engine asks again in parts, and the outside need not answer twice.
        self._answered: dict[Any, Any] = {}
        self._kept_until_s = 0.0

    def run(self, given: list[tuple[Any, ...]]) -> list[Any]:
        """The answers in order. Raises what the first failed look-up raised, when all are done."""
        if time.monotonic() > self._kept_until_s:
            self._answered = {}
        known = {number: self._answered[key] for number, key in enumerate(map(repr, given)) if key in self._answered}
        if not known and len(given) > 1:
            self._answered = {}
        answers: list[Any] = [known.get(number) for number in range(len(given))]
        failures: dict[int, Exception] = {}
        waiting = iter([number for number in range(len(given)) if number not in known])
        self._loop.run_until_complete(self._all(waiting, given, answers, failures))
        if failures:
            self._kept_until_s = time.monotonic() + KEPT_S
            for number, values in enumerate(given):
                if number not in failures:
                    self._answered[repr(values)] = answers[number]
            raise failures[min(failures)]
        return answers

    async def _all(self, waiting: Iterator[int], given: list[tuple[Any, ...]], answers: list[Any], failures: dict[int, Exception]) -> None:
        async def one_after_another() -> None:
            for number in waiting:
                try:
                    async with asyncio.timeout(self._timeout_s):
                        answers[number] = await self._body(*given[number])
                except TimeoutError as failure:
                    failures[number] = TimeoutError(f"the look-up took longer than {self._timeout_s} s") if not str(failure) else failure
                except Exception as failure:
                    failures[number] = failure

        await asyncio.gather(*(one_after_another() for _ in range(min(self._concurrency, len(given)))))
