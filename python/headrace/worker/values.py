"""Arrays as Python values and back, as a function's hints say."""

from __future__ import annotations

import array
import collections.abc
import datetime
import decimal
import inspect
import itertools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from headrace.column_types import ColumnType

#: Runs a function on the arrays of its arguments, of so many rows.
Caller = Callable[[list[pa.Array], int], pa.Array]


class WrongResult(Exception):
    """The function came back, but what it gave is not what its hint says."""


_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()

#: Types whose values pyarrow makes slowly, one Scalar each: what they are stored as, and what makes a value of that.
_STORED: dict[str, tuple[pa.DataType, Callable[[int], Any]]] = {
    "TIMESTAMP": (pa.int64(), lambda us: _EPOCH + datetime.timedelta(0, 0, us)),
    "DATE": (pa.int32(), lambda day: datetime.date.fromordinal(_EPOCH_DAY + day)),
}


def offsets_of(lists: pa.Array) -> list[int]:
    """Where each list's items begin among all items, and where the last one's end."""
    begin = lists.offset
    return memoryview(lists.buffers()[1]).cast("B").cast("i")[begin : begin + len(lists) + 1].tolist() if len(lists) else [0]


def values_reader(column: ColumnType) -> Callable[[pa.Array], list[Any]]:
    """Gives what turns an array into Python values. Nested ones are read column by column: pyarrow would make a Scalar of each
    number in them."""
    if column.name in _STORED:
        stored, make = _STORED[column.name]
        make_or_none = _or_none(make)
        return lambda array: list(map(make_or_none if array.null_count else make, array.view(stored).to_pylist()))
    if column.name == "LIST":
        return _list_reader(column)
    if column.name == "MAP":
        return _map_reader(column)
    if column.name == "STRUCT":
        return _struct_reader(column)
    return lambda array: array.to_pylist()


def _list_reader(column: ColumnType) -> Callable[[pa.Array], list[Any]]:
    read_items = values_reader(column.inner[0][1])

    def read(array: pa.Array) -> list[Any]:
        items = read_items(array.values)
        return _with_nulls(array, [items[begin:end] for begin, end in itertools.pairwise(offsets_of(array))])

    return read


def _map_reader(column: ColumnType) -> Callable[[pa.Array], list[Any]]:
    read_keys, read_values = (values_reader(kind) for _, kind in column.inner)

    def read(array: pa.Array) -> list[Any]:
        pairs = list(zip(read_keys(array.keys), read_values(array.items), strict=True))
        return _with_nulls(array, [dict(pairs[begin:end]) for begin, end in itertools.pairwise(offsets_of(array))])

    return read


def _struct_reader(column: ColumnType) -> Callable[[pa.Array], list[Any]]:
    """Of dicts, or of instances of the column's dataclass."""
    readers = [values_reader(kind) for _, kind in column.inner]
    make_all = _row_maker([name for name, _ in column.inner], column.record)

    def read(array: pa.Array) -> list[Any]:
        # Below a NULL may stand anything; flatten() makes it NULL as well.
        fields = array.flatten() if array.null_count else [array.field(index) for index in range(len(readers))]
        rows = zip(*(read_field(field) for read_field, field in zip(readers, fields, strict=True)), strict=True)
        if not array.null_count:
            return make_all(rows)
        there = array.is_valid().to_pylist()
        made = iter(make_all(itertools.compress(rows, there)))
        return [next(made) if is_there else None for is_there in there]

    return read


def _row_maker(names: list[str], record: type | None) -> Callable[[Iterable[tuple[Any, ...]]], list[Any]]:
    """Gives what makes dicts, or instances of `record`, of tuples of fields."""
    if record is None:
        return lambda rows: [dict(zip(names, row, strict=False)) for row in rows]
    parameters = inspect.signature(record).parameters
    if list(parameters) == names and all(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters.values()):
        return lambda rows: list(itertools.starmap(record, rows))
    return lambda rows: [record(**dict(zip(names, row, strict=True))) for row in rows]


def _with_nulls(array: pa.Array, values: list[Any]) -> list[Any]:
    if not array.null_count:
        return values
    return [value if there else None for value, there in zip(values, array.is_valid().to_pylist(), strict=True)]


def values_writer(column: ColumnType) -> Callable[[list[Any]], pa.Array]:
    """Gives what makes an array of the declared type from a scalar function's results."""
    write_any, write_quickly = _any_writer(column), _quick_writer(column)
    if write_quickly is None:
        return write_any

    def write(values: list[Any]) -> pa.Array:
        try:
            return write_quickly(values)
        except Exception:  # Something does not fit, or not as it stands: what looks at each value by itself says what.
            return write_any(values)

    return write


def _quick_writer(column: ColumnType) -> Callable[[list[Any]], pa.Array] | None:
    """Of types whose values can be taken together: never kinder than _any_writer, but it may refuse what that one takes."""
    if column.name in _NUMBERS:
        arrow, code = column.arrow(), _NUMBERS[column.name]
        return lambda values: _numbers(arrow, array.array(code, values))
    if column.name == "LIST":
        return _list_writer(column)
    if column.name == "STRUCT":
        return _struct_writer(column)
    return None


def _numbers(arrow: pa.DataType, numbers: array.array[Any]) -> pa.Array:
    return pa.Array.from_buffers(arrow, len(numbers), [None, pa.py_buffer(numbers)])


def _list_writer(column: ColumnType) -> Callable[[list[Any]], pa.Array]:
    write_items = values_writer(column.inner[0][1])

    def write(values: list[Any]) -> pa.Array:
        begins: list[int | None] = []  # None = the list is NULL.
        items: list[Any] = []
        for value in values:
            begins.append(None if value is None else len(items))
            if value is not None:
                items += _of_kind(value, collections.abc.Sequence, "list")
        begins.append(len(items))
        return pa.ListArray.from_arrays(pa.array(begins, pa.int32()), write_items(items))

    return write


def _struct_writer(column: ColumnType) -> Callable[[list[Any]], pa.Array]:
    names = [name for name, _ in column.inner]
    writers = [values_writer(kind) for _, kind in column.inner]
    getter = operator.itemgetter if column.record is None else operator.attrgetter
    getters = [getter(name) for name in names]

    def write(values: list[Any]) -> pa.Array:
        missing = [value is None for value in values]
        if not any(missing):
            return pa.StructArray.from_arrays([write(list(map(get, values))) for get, write in zip(getters, writers, strict=True)], names)
        columns = [[None if value is None else get(value) for value in values] for get in getters]
        fields = [write(values) for write, values in zip(writers, columns, strict=True)]
        return pa.StructArray.from_arrays(fields, names, mask=pa.array(missing))

    return write


#: Types whose values, but for None, array.array takes in one go; it is as strict as _SCALARS.
_NUMBERS = {"BIGINT": "q", "DOUBLE": "d"}


def _any_writer(column: ColumnType) -> Callable[[list[Any]], pa.Array]:
    """pa.array alone is too kind: it cuts 1.5 to 1 for an integer and takes bytes for text. So values are of the right Python type,
    or go through a converter that is strict."""
    arrow = column.arrow()
    exact = _EXACT.get(column.name)
    convert = _converter(column)

    def write(values: list[Any]) -> pa.Array:
        try:
            if exact is not None and exact.issuperset(map(type, values)):
                return pa.array(values, arrow)
            return pa.array([None if value is None else convert(value) for value in values], arrow)
        except _MISFITS as failure:
            raise WrongResult(_what_is_wrong(values, column, arrow, convert, failure)) from failure

    return write


_MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError, KeyError, AttributeError, decimal.DecimalException)

#: Values of these Python types are what pa.array takes without changing them.
_EXACT: dict[str, frozenset[type]] = {
    "BOOLEAN": frozenset((bool, type(None))), "BIGINT": frozenset((int, type(None))), "DOUBLE": frozenset((float, type(None))),
    "VARCHAR": frozenset((str, type(None))), "BLOB": frozenset((bytes, type(None))), "DATE": frozenset((datetime.date, type(None))),
    "TIME": frozenset((datetime.time, type(None))),
}  # fmt: skip


def _converter(column: ColumnType) -> Callable[[Any], Any]:
    """Gives what turns one value (not None) of a function's result into what pa.array takes; raises where it does not fit."""
    inner = [(name, _or_none(_converter(kind))) for name, kind in column.inner]
    if column.name == "DECIMAL":
        quantum = decimal.Decimal(1).scaleb(-column.scale)
        context = decimal.Context(prec=76, rounding=decimal.ROUND_HALF_UP)
        return lambda value: context.quantize(_as_decimal(value), quantum)
    if column.name == "LIST":
        item = inner[0][1]
        return lambda values: [item(value) for value in _of_kind(values, collections.abc.Sequence, "list")]
    if column.name == "MAP":
        key, entry = inner[0][1], inner[1][1]
        return lambda pairs: [(key(k), entry(v)) for k, v in _of_kind(pairs, collections.abc.Mapping, "dict").items()]
    if column.name == "STRUCT" and column.record is not None:
        return lambda record: {name: convert(getattr(record, name)) for name, convert in inner}
    if column.name == "STRUCT":
        return lambda fields: {name: convert(fields[name]) for name, convert in inner}
    return _SCALARS[column.name]


def _or_none(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _of_kind(value: Any, kind: type, name: str) -> Any:
    if isinstance(value, kind) and not isinstance(value, (str, bytes)):
        return value
    raise TypeError(f"a {type(value).__name__} is not a {name}")


def _as_bool(value: Any) -> bool:
    if isinstance(value, bool) or (type(value).__module__ == "numpy" and type(value).__name__.startswith("bool")):
        return bool(value)
    raise TypeError(f"a {type(value).__name__} is not a bool")


def _as_float(value: Any) -> float:
    if isinstance(value, (str, bytes)):
        raise TypeError(f"a {type(value).__name__} is not a float")
    return float(value)


def _as_decimal(value: Any) -> decimal.Decimal:
    if isinstance(value, (decimal.Decimal, int)) and not isinstance(value, bool):
        return decimal.Decimal(value)
    raise TypeError(f"a {type(value).__name__} is not a Decimal")


def _as_datetime(value: Any) -> datetime.datetime:
    if not isinstance(value, datetime.datetime):
        raise TypeError(f"a {type(value).__name__} is not a datetime")
    if value.tzinfo is not None:
        raise ValueError("a TIMESTAMP has no time zone, and the value has one")
    return value


def _as_date(value: Any) -> datetime.date:
    if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
        raise TypeError(f"a {type(value).__name__} is not a date")
    return value


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "BOOLEAN": _as_bool,
    "BIGINT": lambda value: int(operator.index(value)),
    "DOUBLE": _as_float,
    "VARCHAR": lambda value: value if isinstance(value, str) else _of_kind(value, str, "str"),
    "BLOB": lambda value: value if isinstance(value, bytes) else bytes(_of_kind(value, bytearray, "bytes")),
    "TIMESTAMP": _as_datetime,
    "DATE": _as_date,
    "TIME": lambda value: _of_kind(value, datetime.time, "time"),
}


def _what_is_wrong(values: list[Any], column: ColumnType, arrow: pa.DataType, convert: Callable[[Any], Any],
                   failure: Exception) -> str:  # fmt: skip
    """Names the first value that does not fit."""
    for value in values:
        try:
            pa.array([None if value is None else convert(value)], arrow)
        except Exception as reason:
            shown = repr(value)
            return f"gave {shown if len(shown) <= 100 else shown[:100] + '...'}, and its hint says {column}: {reason}"
    return f"gave values that are not {column}: {failure}"
