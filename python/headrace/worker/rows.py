"""Rows that functions give, as lists of structs: one list per call."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa

from headrace.column_types import ColumnType
from headrace.user_function import UserFunction
from headrace.worker.values import Caller, WrongResult, values_reader, values_writer

_ROWS_TOGETHER = 1024  # Rows taken apart at a time: few enough to stay in the processor's cache.


class RowsWriter:
    """Writes rows of these columns; a row is a dict, a tuple, a dataclass, or with one column the value itself."""

    def __init__(self, columns: Sequence[tuple[str, ColumnType]]) -> None:
        self._names = [name for name, _ in columns]
        self._writers = [values_writer(kind) for _, kind in columns]
        self._type = pa.struct([(name, kind.arrow()) for name, kind in columns])

    def lists(self, rows: list[Any], ends: list[int]) -> pa.Array:
        """Lists of rows: `ends` is 0, then where each one's rows end."""
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), self.structs(rows))

    def structs(self, rows: list[Any]) -> pa.Array:
        if not rows:
            return pa.array([], self._type)
        columns: list[list[Any]] = [[] for _ in self._names]
        try:
            for begin in range(0, len(rows), _ROWS_TOGETHER):
                for column, values in zip(columns, self._columns(rows[begin : begin + _ROWS_TOGETHER]), strict=True):
                    column.extend(values)
        except (KeyError, ValueError, AttributeError, TypeError) as failure:
            raise WrongResult(f"gave a row that has not the columns {', '.join(self._names)}: {failure!r}") from failure
        return pa.StructArray.from_arrays([write(column) for write, column in zip(self._writers, columns, strict=True)], self._names)

    def _columns(self, rows: list[Any]) -> Iterable[tuple[Any, ...]]:
        kinds = set(map(type, rows))
        if kinds == {tuple}:
            return zip(*rows, strict=True)
        if len(kinds) == 1:
            return zip(*map(self._reader_of(rows[0]), rows), strict=True)
        return zip(*(self._reader_of(row)(row) for row in rows), strict=True)

    def _reader_of(self, row: Any) -> Callable[[Any], tuple[Any, ...]]:
        """What takes a row of this kind apart."""
        names = self._names
        if isinstance(row, dict):
            return operator.itemgetter(*names) if len(names) > 1 else lambda given: (given[names[0]],)
        if isinstance(row, tuple):
            return lambda given: given
        if dataclasses.is_dataclass(row) and not isinstance(row, type):
            return operator.attrgetter(*names) if len(names) > 1 else lambda given: (getattr(given, names[0]),)
        return lambda given: (given,)


def table_caller(function: UserFunction) -> Caller:
    """Of a table function: one list of rows per row of arguments."""
    body = function.body
    hints = list(function.signature.parameters.values())
    readers = [values_reader(hint.type) for hint in hints]
    strict = [index for index, hint in enumerate(hints) if not hint.nullable]
    writer = RowsWriter(function.signature.result.type.inner)

    def call(arguments: list[pa.Array], rows: int) -> pa.Array:
        columns = [read(argument) for read, argument in zip(readers, arguments, strict=True)]
        holes = any(arguments[index].null_count for index in strict)
        given: list[Any] = []
        ends = [0]
        for values in zip(*columns, strict=True):
            if not holes or all(values[index] is not None for index in strict):
                found = body(*values)
                if found is not None:
                    given.extend(found)
            ends.append(len(given))
        return writer.lists(given, ends)

    return call
