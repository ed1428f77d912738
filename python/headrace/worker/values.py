"""Arrays as Python values and back, as a function's hints say."""

from __future__ import annotations

import array
import collections.abc
import datetime
import decimal
import operator
from collections.abc import Callable
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


def values_reader(column: ColumnType) -> Callable[[pa.Array], list[Any]]:
    """Gives what turns an array into Python values."""
    if column.name in _STORED:
        stored, make = _STORED[column.name]
        make_or_none = _or_none(make)
        return lambda array: list(map(make_or_none if array.null_count else make, array.view(stored).to_pylist()))
    convert = _record_reader(column)
    if convert is None:
        return lambda array: array.to_pylist()
    return lambda array: list(map(convert, array.to_pylist()))


def _record_reader(column: ColumnType) -> Callable[[Any], Any] | None:
    """Turns what to_pylist gives for a nested value into what the function's hint says; None = it is that already."""
    inner = [(name, _record_reader(kind)) for name, kind in column.inner]
    if column.name == "MAP":
        key, value = (convert or (lambda item: item) for _, convert in inner)
        return lambda pairs: None if pairs is None else {key(k): value(v) for k, v in pairs}
    if column.name == "LIST" and inner[0][1] is not None:
        convert_item = inner[0][1]
        return lambda items: None if items is None else [convert_item(item) for item in items]
    if column.name == "STRUCT" and (column.record is not None or any(convert for _, convert in inner)):
        record = column.record or dict
        converters = [(name, convert or (lambda item: item)) for name, convert in inner]
        return lambda fields: None if fields is None else record(**{name: convert(fields[name]) for name, convert in converters})
    return None


def values_writer(column: ColumnType) -> Callable[[list[Any]], pa.Array]:
    """Gives what makes an array of the declared type from a scalar function's results."""
    write_any = _any_writer(column)
    if column.name not in _NUMBERS:
        return write_any
    arrow, code = column.arrow(), _NUMBERS[column.name]

    def write(values: list[Any]) -> pa.Array:
        try:
            numbers = array.array(code, values)
        except Exception:  # There is a None, or something that does not fit.
            return write_any(values)
        return pa.Array.from_buffers(arrow, len(numbers), [None, pa.py_buffer(numbers)])

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
