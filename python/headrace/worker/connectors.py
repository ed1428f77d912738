"""Calls of sources and sinks: one row of a call is one step of them."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa

from headrace.user_function import UserFunction
from headrace.worker.values import Caller, WrongResult

_WAIT_S = 0.1  # For a first batch; then the engine asks again.
_GATHER_S = 0.02  # For more batches behind it.
_BYTES_MAX = 1 << 20


def source_caller(function: UserFunction) -> Caller:
    """Argument: the position from which to go on. Result: records as NDJSON, the position behind them, whether that was the end."""
    reader = _Reader(function)

    def call(arguments: list[pa.Array], rows: int) -> pa.Array:
        answers = [reader.step(position) for position in arguments[0].to_pylist()]
        records, positions, ends = zip(*answers, strict=True)
        arrays = [pa.array(records, pa.string()), pa.array(positions, pa.string()), pa.array(ends, pa.bool_())]
        return pa.StructArray.from_arrays(arrays, ["records", "position", "ended"])

    return call


class _Reader:
    """The generator where it stands. It lives as long as the process, and begins anew when asked for another position."""

    def __init__(self, function: UserFunction) -> None:
        self._body = function.body
        self._loop = asyncio.new_event_loop()
        self._batches: AsyncIterator[Any] | None = None
        self._next: asyncio.Task[Any] | None = None
        self._position: str | None = None

    def step(self, position: str | None) -> tuple[str, str | None, bool]:
        try:
            return self._loop.run_until_complete(self._step(position))
        except BaseException:
            self._batches = self._next = None  # What it had read is lost: it begins anew at the engine's position.
            raise

    async def _step(self, position: str | None) -> tuple[str, str | None, bool]:
        if self._batches is None or position != self._position:
            if self._next is not None:
                self._next.cancel()
            self._batches, self._next, self._position = aiter(self._body(position)), None, position
        lines: list[str] = []
        size, wait_s = 0, _WAIT_S
        while size < _BYTES_MAX:
            if self._next is None:
                self._next = asyncio.ensure_future(anext(self._batches))
            done, _ = await asyncio.wait([self._next], timeout=wait_s)
            if not done:
                break
            task, self._next = self._next, None
            try:
                batch = task.result()
            except StopAsyncIteration:
                return "".join(lines), self._position, True
            rows, self._position = _checked(batch)
            for row in rows:
                lines.append(json.dumps(row, default=str, separators=(",", ":")) + "\n")
                size += len(lines[-1])
            wait_s = _GATHER_S
        return "".join(lines), self._position, False


def _checked(batch: Any) -> tuple[list[Any], str]:
    if not isinstance(batch, tuple) or len(batch) != 2 or not isinstance(batch[1], str):
        raise WrongResult(f"yielded {batch!r:.100}, and a source yields its rows and their position as text: `yield rows, position`")
    return list(batch[0]), batch[1]


def sink_caller(function: UserFunction) -> Caller:
    """Arguments: records as NDJSON, the commit they belong to."""
    body = function.body
    loop = asyncio.new_event_loop() if inspect.iscoroutinefunction(body) else None

    def call(arguments: list[pa.Array], rows: int) -> pa.Array:
        for records, commit in zip(arguments[0].to_pylist(), arguments[1].to_pylist(), strict=True):
            given = body([json.loads(line) for line in records.splitlines()], commit)
            if loop is not None:
                loop.run_until_complete(given)
        return pa.array([True] * rows, pa.bool_())

    return call
