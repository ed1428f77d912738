"""Columns in shared memory as pyarrow arrays, without a copy, and arrays as the buffers of a result."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from headrace.column_types import ColumnType


class ColumnReader:
    """Reads the columns of one type from a segment."""

    def __init__(self, column: ColumnType) -> None:
        self._type = column.arrow()
        self._name = column.name
        self._inner = [ColumnReader(inner) for _, inner in column.inner]
        if column.name == "MAP":
            self._entries = pa.struct([self._type.key_field, self._type.item_field])

    def read(self, area: pa.Buffer, rows: int, spans: Iterator[int]) -> pa.Array:
        """The array whose buffers' places are next in `spans`."""
        validity = _buffer(area, spans)
        nulls = 0 if validity is None else -1
        if self._name == "STRUCT":
            fields = [field.read(area, rows, spans) for field in self._inner]
            return pa.Array.from_buffers(self._type, rows, [validity], nulls, 0, fields)
        values = _buffer(area, spans)
        if self._name in ("VARCHAR", "BLOB"):
            return pa.Array.from_buffers(self._type, rows, [validity, values, _buffer(area, spans)], nulls)
        if not self._inner:
            return pa.Array.from_buffers(self._type, rows, [validity, values], nulls)
        items = int(memoryview(values).cast("i")[rows]) if rows and values is not None else 0
        if self._name == "LIST":
            child = self._inner[0].read(area, items, spans)
        else:
            entry_validity = _buffer(area, spans)
            pair = [inner.read(area, items, spans) for inner in self._inner]
            child = pa.Array.from_buffers(self._entries, items, [entry_validity], 0, 0, pair)
        return pa.Array.from_buffers(self._type, rows, [validity, values], nulls, 0, [child])


def _buffer(area: pa.Buffer, spans: Iterator[int]) -> pa.Buffer | None:
    offset, size = next(spans), next(spans)
    return area.slice(offset, size) if offset else None


def result_buffers(array: pa.Array, column: ColumnType) -> list[tuple[memoryview | None, int]]:
    """The buffers of an array of the column's type, in the order of src/duck/arrow.h, each with its bytes that count."""
    rows = len(array)
    if not _begins_at_zero(array):  # A slice, or a slice inside: laid out afresh.
        array = array.take(pa.array(range(rows), pa.int64()))
    buffers = array.buffers()
    if column.inner:
        return [(None, 0) if buffer is None else (memoryview(buffer).cast("B"), buffer.size) for buffer in buffers]
    sizes = [(rows + 7) // 8 if array.null_count else 0]
    if column.name in ("VARCHAR", "BLOB"):
        end = memoryview(buffers[1]).cast("B").cast("i")[rows] if rows else 0
        sizes += [(rows + 1) * 4, end]
    else:
        sizes.append((rows * array.type.bit_width + 7) // 8)
    return [(None if buffer is None else memoryview(buffer).cast("B"), size) for buffer, size in zip(buffers, sizes, strict=True)]


def _begins_at_zero(array: pa.Array) -> bool:
    """True when each buffer's first value is the first row's, in all that is nested, too."""
    if array.offset:
        return False
    kind = array.type
    if pa.types.is_struct(kind):
        return all(_begins_at_zero(array.field(index)) for index in range(kind.num_fields))
    if pa.types.is_map(kind):
        return _begins_at_zero(array.keys) and _begins_at_zero(array.items)
    return not pa.types.is_list(kind) or _begins_at_zero(array.values)
