"""Calls of aggregate functions: one row of a call is one group."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from headrace.column_types import ColumnType, list_of, struct_of
from headrace.user_function import UserFunction
from headrace.worker.values import Caller, WrongResult, offsets_of, values_reader, values_writer

_BOOLEAN = ColumnType("BOOLEAN")


def list_caller(function: UserFunction) -> Caller:
    """Of a function over lists. Arguments: the values of each group as lists, all of one length."""
    readers = [values_reader(hint.type) for hint in function.signature.parameters.values()]
    write = values_writer(function.signature.result.type)
    body = function.body

    def call(arguments: list[pa.Array], rows: int) -> pa.Array:
        values = [read(lists.values) for read, lists in zip(readers, arguments, strict=True)]
        groups = itertools.pairwise(offsets_of(arguments[0]))
        if len(values) == 1:
            items = values[0]
            return write([body(items[start:end]) if end > start else None for start, end in groups])
        return write([body(*(items[start:end] for items in values)) if end > start else None for start, end in groups])

    return call


def accumulator_types(function: UserFunction) -> tuple[list[ColumnType], ColumnType]:
    """Arguments: the states of each group that are to be merged, then its new rows: a list per argument of `add`, and whether each
    row is taken back. Result: the state afterwards, and its value."""
    signature = function.signature
    state = struct_of(signature.state)
    arguments = [list_of(hint.type) for hint in signature.parameters.values()]
    return [list_of(state), *arguments, list_of(_BOOLEAN)], struct_of({"state": state, "value": signature.result.type})


def accumulator_caller(function: UserFunction) -> Caller:
    signature = function.signature
    states = StateColumns(function.name, signature.state)
    readers = [values_reader(hint.type) for hint in signature.parameters.values()]
    write = values_writer(signature.result.type)
    accumulator: Any = function.body
    fresh = _maker_of(accumulator, list(signature.state))
    restore = accumulator.__new__

    def call(arguments: list[pa.Array], rows: int) -> pa.Array:
        merged, *values, back = arguments
        held = states.read(merged.values)
        state_ends = itertools.pairwise(offsets_of(merged))
        columns = [read(lists.values) for read, lists in zip(readers, values, strict=True)]
        taken_back = back.values.to_pylist() if back.values.true_count else None
        row_ends = itertools.pairwise(offsets_of(back))
        instances: list[Any] = []
        empty: set[int] = set()
        for (state, states_end), (row, rows_end) in zip(state_ends, row_ends, strict=True):
            if state == states_end and row == rows_end:
                empty.add(len(instances))
            if state == states_end:
                instance = fresh()
            else:
                instance = restore(accumulator)
                instance.__dict__.update(held[state])
                for other in held[state + 1 : states_end]:
                    piece = restore(accumulator)
                    piece.__dict__.update(other)
                    instance.merge(piece)
            instances.append(instance)
            if taken_back is None:
                add = instance.add
                for added in zip(*(column[row:rows_end] for column in columns), strict=True):
                    add(*added)
            else:
                for number in range(row, rows_end):
                    change = instance.retract if taken_back[number] else instance.add
                    change(*(column[number] for column in columns))
        results = write([None if number in empty else instance.result() for number, instance in enumerate(instances)])
        return pa.StructArray.from_arrays([states.write([instance.__dict__ for instance in instances]), results], ["state", "value"])

    return call


def _maker_of(accumulator: Any, names: list[str]) -> Callable[[], Any]:
    """Makes new instances: attributes without a value are None, and a list or map of the class is not shared between them."""
    shared = [name for name in names if isinstance(getattr(accumulator, name, None), (list, dict))]
    plain = {name: getattr(accumulator, name, None) for name in names if name not in shared}

    def make() -> Any:
        instance = accumulator.__new__(accumulator)
        instance.__dict__.update(plain)
        for name in shared:
            instance.__dict__[name] = getattr(accumulator, name).copy()
        instance.__init__()
        return instance

    return make


class StateColumns:
    """The typed state of many groups: a dict of attributes per group, in memory a STRUCT."""

    def __init__(self, name: str, fields: dict[str, ColumnType]) -> None:
        self._function = name
        self._names = list(fields)
        self._readers = [values_reader(kind) for kind in fields.values()]
        self._writers = [values_writer(kind) for kind in fields.values()]

    def read(self, states: pa.Array) -> list[dict[str, Any]]:
        columns = [read(states.field(index)) for index, read in enumerate(self._readers)]
        names = self._names
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def write(self, states: list[dict[str, Any]]) -> pa.Array:
        count = len(self._names)
        for state in states:
            if len(state) != count:
                extra = ", ".join(sorted(set(state) - set(self._names)))
                raise WrongResult(f"keeps {extra}, which its class does not declare: it would be lost")
        columns = [write([state[name] for state in states]) for name, write in zip(self._names, self._writers, strict=True)]
        return pa.StructArray.from_arrays(columns, self._names)
