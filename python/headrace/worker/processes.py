"""Calls of process functions: one row of a call is one key, with its state, its timers and its new rows in order of arrival."""

from __future__ import annotations

import collections
import datetime
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from headrace.column_types import ColumnType, list_of, struct_of
from headrace.errors import FunctionLoad
from headrace.process import ProcessFunction
from headrace.worker.aggregates import StateColumns
from headrace.worker.rows import RowsWriter
from headrace.worker.values import Caller, offsets_of, values_reader

_BIGINT, _VARCHAR = ColumnType("BIGINT"), ColumnType("VARCHAR")
_TIMERS = {"at": _BIGINT, "name": _VARCHAR}
_NEVER = 2**63 - 1  # No timer; and the watermark at the end of the input.
_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)


def process_types(function: ProcessFunction, rows: dict[str, ColumnType]) -> tuple[list[ColumnType], ColumnType]:
    """Arguments: the key's columns, the state, the timers, the rows, the watermark before each row, the watermark behind them.
    Result: the state afterwards, the timers, the rows given out. Times are in microseconds since 1970."""
    signature = function.signature
    state, timers = struct_of(signature.state), list_of(struct_of(_TIMERS))
    columns = {name.lower(): kind for name, kind in rows.items()}
    keys = [columns[name.lower()] for name in signature.key]
    arguments = [*keys, state, timers, list_of(struct_of(rows)), list_of(_BIGINT), _BIGINT]
    return arguments, struct_of({"state": state, "timers": timers, "output": list_of(signature.result.type)})


class Timers:
    """The timers of one key."""

    def __init__(self) -> None:
        self.name = ""
        self._pending: dict[str, int] = {}
        self._next = _NEVER
        self._not_before = -_NEVER

    def at(self, time: datetime.datetime, name: str = "") -> None:
        """Sets the timer `name` to `time`, wherever it stood before."""
        at = (time - _EPOCH) // _MICROSECOND
        if at <= self._not_before:
            raise ValueError(f"the timer {name!r} at {time} does not lie behind the one that has come")
        self._pending[name] = at
        self._next = min(self._pending.values())

    def cancel(self, name: str = "") -> None:
        """Takes the timer back, if there is one."""
        if self._pending.pop(name, None) is not None:
            self._next = min(self._pending.values(), default=_NEVER)


class State:
    """The state of one key: an attribute per column."""


class _Run:
    """One call: all keys of it, one after another."""

    def __init__(self, instance: Any) -> None:
        self._on_timer = getattr(instance, "on_timer", None)
        self.state = State()
        self.timers = Timers()
        self.given: list[Any] = []

    def fire(self, key: Any, watermark: int) -> None:
        """Lets the timers come that the watermark has passed, in order of time. At the end of the input those come that wait, and
        none later than the last of them."""
        timers = self.timers
        last = _NEVER if watermark != _NEVER else max(timers._pending.values(), default=-_NEVER)
        while timers._next <= watermark and timers._next <= last:
            at, name = min((at, name) for name, at in timers._pending.items())
            timers.cancel(name)
            if self._on_timer is None:
                continue
            timers.name, timers._not_before = name, at
            found = self._on_timer(key, _EPOCH + at * _MICROSECOND, self.state, timers)
            if found is not None:
                self.given.extend(found)
            timers.name, timers._not_before = "", -_NEVER


#: Hands the rows [begin, end) of a key over; keys come in the order of their rows.
Give = Callable[[Any, int, int], None]


def process_caller(function: ProcessFunction, rows: dict[str, ColumnType]) -> Caller:
    signature = function.signature
    try:
        instance: Any = function.body()
    except Exception as failure:
        raise FunctionLoad(f"{function.name}() fails: {type(failure).__name__}: {failure}") from failure
    keys = len(signature.key)
    key_readers = [values_reader(kind) for kind in process_types(function, rows)[0][:keys]]
    states = StateColumns(function.name, signature.state)
    read_us = values_reader(_BIGINT)
    timers_writer = RowsWriter(list(_TIMERS.items()))
    output = RowsWriter(signature.result.type.inner)
    feed = _feeder(instance, rows)

    def call(arguments: list[pa.Array], count: int) -> pa.Array:
        key_columns = [read(column) for read, column in zip(key_readers, arguments, strict=False)]
        all_keys = key_columns[0] if keys == 1 else list(zip(*key_columns, strict=True))
        held, waiting, lists, stamps, watermarks = arguments[keys:]
        held_states = states.read(held)
        run = _Run(instance)
        state, timers, given = run.state, run.timers, run.given
        give = feed(run, lists.values, stamps.values)
        ends, left, left_ends = [0], [], [0]
        row_ends = itertools.pairwise(offsets_of(lists))
        each = zip(all_keys, held_states, row_ends, read_us(watermarks), _timers_of(waiting), strict=False)
        for key, held_state, (begin, end), watermark, pending in each:
            state.__dict__ = held_state
            timers._pending = pending
            timers._next = min(pending.values()) if pending else _NEVER
            give(key, begin, end)
            if timers._next <= watermark:
                run.fire(key, watermark)
            ends.append(len(given))
            if pending:
                left += sorted((at, name) for name, at in pending.items())
            left_ends.append(len(left))
        return pa.StructArray.from_arrays(
            [states.write(held_states), timers_writer.lists(left, left_ends), output.lists(given, ends)], ["state", "timers", "output"]
        )

    return call


def _timers_of(waiting: pa.Array) -> Iterator[dict[str, int]]:
    """Each key's timers by name; without end where no key has any."""
    times, names = (waiting.values.field(index).to_pylist() for index in range(2))
    if not times:
        return iter(dict, None)
    return (dict(zip(names[begin:end], times[begin:end], strict=True)) for begin, end in itertools.pairwise(offsets_of(waiting)))


def _feeder(instance: Any, columns: dict[str, ColumnType]) -> Callable[[_Run, pa.Array, pa.Array], Give]:
    if hasattr(instance, "on_rows"):
        return functools.partial(_feed_batches, instance)
    row_class = _row_class(list(columns))
    readers = [values_reader(kind) for kind in columns.values()]
    feed = _feed_rows if getattr(instance, "on_timer", None) is None else _feed_timed_rows

    def feed_rows(run: _Run, structs: pa.Array, stamps: pa.Array) -> Give:
        values = [read(structs.field(index)) for index, read in enumerate(readers)]
        return feed(instance.on_row, run, map(row_class, zip(*values, strict=True)), stamps)

    return feed_rows


def _row_class(names: list[str]) -> Callable[[tuple[Any, ...]], Any]:
    """A named tuple that is made of a tuple, as plain tuples are: twice as quick as by its own __new__."""
    named = collections.namedtuple("Row", names, rename=True)  # type: ignore[misc]
    return type("Row", (tuple,), {name: value for name, value in vars(named).items() if name != "__new__"})


def _feed_rows(on_row: Any, run: _Run, rows: Iterator[Any], stamps: pa.Array) -> Give:
    """Calls on_row for each row. Timers that nobody hears of need not come in between."""
    state, timers, extend = run.state, run.timers, run.given.extend

    def give(key: Any, begin: int, end: int) -> None:
        for row in itertools.islice(rows, end - begin):
            found = on_row(key, row, state, timers)
            if found is not None:
                extend(found)

    return give


def _feed_timed_rows(on_row: Any, run: _Run, rows: Iterator[Any], stamps: pa.Array) -> Give:
    """Calls on_row for each row, and before it the timers that have come."""
    state, timers, extend, stamps_us = run.state, run.timers, run.given.extend, stamps.to_pylist()

    def give(key: Any, begin: int, end: int) -> None:
        for row, stamp in zip(itertools.islice(rows, end - begin), stamps_us[begin:end], strict=True):
            if timers._next <= stamp:
                run.fire(key, stamp)
            found = on_row(key, row, state, timers)
            if found is not None:
                extend(found)

    return give


def _feed_batches(instance: Any, run: _Run, structs: pa.Array, stamps: pa.Array) -> Give:
    """Calls on_rows with as many rows as lie between two timers."""
    on_rows = instance.on_rows
    batch = pa.RecordBatch.from_struct_array(structs)
    timers, given, stamps_us = run.timers, run.given, stamps.to_pylist()

    def give(key: Any, begin: int, end: int) -> None:
        while begin < end:
            if timers._next <= stamps_us[begin]:
                run.fire(key, stamps_us[begin])
            until = end
            if timers._next < _NEVER:
                until = next((number for number in range(begin + 1, end) if timers._next <= stamps_us[number]), end)
            found = on_rows(key, batch.slice(begin, until - begin), run.state, timers)
            if isinstance(found, (pa.RecordBatch, pa.Table)):
                found = found.to_pylist()
            if found is not None:
                given.extend(found)
            begin = until

    return give
