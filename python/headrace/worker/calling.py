"""Calls a function's body on arrays: what each kind of function sees, and what its result must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.column_types import ColumnHint, ColumnType, list_of
from headrace.function import Function
from headrace.process import ProcessFunction
from headrace.user_function import UserFunction
from headrace.worker.aggregates import accumulator_caller, accumulator_types, list_caller
from headrace.worker.processes import process_caller, process_types
from headrace.worker.rows import table_caller
from headrace.worker.values import Caller, WrongResult, values_reader, values_writer


def call_types(function: UserFunction, rows: dict[str, ColumnType] | None = None) -> tuple[list[ColumnType], ColumnType]:
    """The columns of a call in shared memory; src/udf/function.h says the same. `rows` are the columns of a process
    function's table."""
    signature = function.signature
    arguments = [hint.type for hint in signature.parameters.values()]
    if function.kind == "aggregate":
        return [list_of(argument) for argument in arguments], signature.result.type
    if function.kind == "accumulator":
        return accumulator_types(function)
    if function.kind == "table":
        return arguments, list_of(signature.result.type)
    if isinstance(function, ProcessFunction):
        return process_types(function, rows or {})
    return arguments, signature.result.type


def caller_of(function: UserFunction, rows: dict[str, ColumnType] | None = None) -> Caller:
    """Gives what runs `function` on the arrays of its arguments; the number of rows comes with them."""
    if function.kind == "aggregate":
        return list_caller(function)
    if function.kind == "accumulator":
        return accumulator_caller(function)
    if function.kind == "table":
        return table_caller(function)
    if isinstance(function, ProcessFunction):
        return process_caller(function, rows or {})
    if function.kind in ("source", "sink"):
        from headrace.worker import connectors  # With asyncio, which no other kind needs: it takes a while to import.

        return connectors.source_caller(function) if function.kind == "source" else connectors.sink_caller(function)
    if isinstance(function, Function) and function.concurrency:
        from headrace.worker import lookups

        return lookups.lookup_caller(function)
    if function.kind == "scalar":
        return _scalar_caller(function)
    hints = list(function.signature.parameters.values())
    if any(hint.container != "arrow" for hint in hints):
        return _dense_caller(function, hints)
    return _arrow_caller(function)


# ---- Vectorized ------------------------------------------------------------------------------------------------------------------


def _arrow_caller(function: UserFunction) -> Caller:
    result = function.signature.result.type

    def call(arguments: list[pa.Array], rows: int) -> pa.Array:
        return checked_array(function.body(*arguments), result, rows)

    return call


def _dense_caller(function: UserFunction, hints: Sequence[ColumnHint]) -> Caller:
    """numpy and pandas have no NULL of their own in most types: rows with one stay out of the call and give NULL."""
    result = function.signature.result.type
    if any(hint.container == "pandas" for hint in hints):
        import pandas  # noqa: F401 - here, and not on the first call's time.

    def call(arguments: list[pa.Array], rows: int) -> pa.Array:
        kept = None
        for argument, hint in zip(arguments, hints, strict=True):
            if hint.container != "arrow" and argument.null_count:
                valid = argument.is_valid()
                kept = valid if kept is None else pc.and_(kept, valid)
        if kept is None:
            given = [_converted(argument, hint) for argument, hint in zip(arguments, hints, strict=True)]
            return checked_array(function.body(*given), result, rows)
        given = [_converted(argument.filter(kept), hint) for argument, hint in zip(arguments, hints, strict=True)]
        dense = checked_array(function.body(*given), result, pc.sum(kept).as_py() or 0)
        places = pc.if_else(kept, pc.subtract(pc.cumulative_sum(kept.cast(pa.int64())), 1), None)
        return dense.take(places)

    return call


def _converted(argument: pa.Array, hint: ColumnHint) -> Any:
    if hint.container == "numpy":
        return argument.to_numpy(zero_copy_only=False)
    if hint.container == "pandas":
        return argument.to_pandas()
    return argument


#: Results of these types are cast to the declared one of the same row when no value changes.
_KINDS: tuple[tuple[str, ...], ...] = (
    ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    ("halffloat", "float", "double"),
    ("string", "large_string", "string_view"),
    ("binary", "large_binary", "binary_view"),
    ("timestamp",),
    ("date32", "date64"),
    ("time32", "time64"),
    ("decimal32", "decimal64", "decimal128", "decimal256"),
)


def _kind(arrow: pa.DataType) -> object:
    name = str(arrow).split("(")[0].split("[")[0]
    return next((kind for kind in _KINDS if name in kind), arrow)


def checked_array(value: Any, column: ColumnType, rows: int) -> pa.Array:
    """Gives a vectorized function's result as an array of its declared type.

    Raises:
        WrongResult: not an array, of another length, or of a type that does not fit.
    """
    declared = column.arrow()
    if isinstance(value, pa.ChunkedArray):
        value = value.combine_chunks()
    elif isinstance(value, pa.Scalar) or not isinstance(value, pa.Array):
        value = _array_of(value, declared)
    if isinstance(value, pa.ChunkedArray):  # combine_chunks of what is too large for one array.
        raise WrongResult("gave more than fits one array")
    if len(value) != rows:
        raise WrongResult(f"gave {len(value)} values for {rows} rows")
    if value.type == declared:
        return value
    if pa.types.is_null(value.type) or (pa.types.is_nested(declared) and _same_shape(value.type, declared)):
        return _cast(value, declared)
    if pa.types.is_dictionary(value.type) and _kind(value.type.value_type) == _kind(declared):
        return _cast(value, declared)
    if _kind(value.type) is not _kind(declared) or (pa.types.is_timestamp(declared) and bool(value.type.tz) != bool(declared.tz)):
        raise WrongResult(f"gave {value.type}, and its hint says {column} ({declared})")
    return _cast(value, declared)


def _same_shape(given: pa.DataType, declared: pa.DataType) -> bool:
    """Of one kind of nesting; what is inside differs, if only by the names of list items."""
    return (
        (
            pa.types.is_list(declared)
            and (pa.types.is_list(given) or pa.types.is_large_list(given))
            and _kind(given.value_type) is _kind(declared.value_type)
        )
        or (
            pa.types.is_map(declared)
            and pa.types.is_map(given)
            and _kind(given.key_type) is _kind(declared.key_type)
            and _kind(given.item_type) is _kind(declared.item_type)
        )
        or (
            pa.types.is_struct(declared)
            and pa.types.is_struct(given)
            and [f.name for f in given] == [f.name for f in declared]
            and all(_kind(a.type) is _kind(b.type) for a, b in zip(given, declared, strict=True))
        )
    )


def _cast(value: pa.Array, declared: pa.DataType) -> pa.Array:
    try:
        return value.cast(declared)
    except pa.ArrowException as failure:
        raise WrongResult(f"gave {value.type}, and its hint says {declared}: {failure}") from failure


def _array_of(value: Any, declared: pa.DataType) -> pa.Array:
    module = type(value).__module__.split(".")[0]
    if (module == "numpy" and getattr(value, "ndim", None) == 1) or (module == "pandas" and hasattr(value, "index")):
        try:
            return pa.array(value, from_pandas=module == "pandas" and not pa.types.is_floating(declared))
        except pa.ArrowException as failure:
            raise WrongResult(f"gave an array that Arrow does not take: {failure}") from failure
    raise WrongResult(f"gave a {type(value).__name__} instead of an array")


# ---- Scalar ----------------------------------------------------------------------------------------------------------------------


def _scalar_caller(function: UserFunction) -> Caller:
    body = function.body
    hints = list(function.signature.parameters.values())
    readers = [values_reader(hint.type) for hint in hints]
    strict = [index for index, hint in enumerate(hints) if not hint.nullable]
    write = values_writer(function.signature.result.type)

    def call(arguments: list[pa.Array], rows: int) -> pa.Array:
        columns = [read(argument) for read, argument in zip(readers, arguments, strict=True)]
        holes = [columns[index] for index in strict if arguments[index].null_count]
        if not columns:
            return write([body() for _ in range(rows)])
        if not holes:
            return write(list(map(body, *columns)))
        skipped = [None in values for values in zip(*holes, strict=True)] if len(holes) > 1 else [value is None for value in holes[0]]
        return write([None if skip else body(*values) for skip, values in zip(skipped, zip(*columns, strict=True), strict=True)])

    return call
