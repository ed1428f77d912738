"""The types of columns, and how a function's hints stand for them."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal as decimal_module
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from headrace.errors import BadConfig

Container = Literal["value", "arrow", "numpy", "pandas"]

#: Of a plain `Decimal` hint, as in PyFlink and Spark.
DECIMAL_PRECISION, DECIMAL_SCALE = 38, 18


@dataclasses.dataclass(frozen=True)
class ColumnType:
    """A column's type, as SQL names it.

    >>> str(ColumnType("DECIMAL", precision=12, scale=2))
    'DECIMAL(12, 2)'
    """

    name: str
    precision: int = 0
    scale: int = 0
    #: Of a LIST ("item"), of a MAP ("key", "value"), the fields of a STRUCT.
    inner: tuple[tuple[str, ColumnType], ...] = ()
    #: The dataclass whose instances a function sees; None = plain values (a STRUCT is then a dict).
    record: type | None = dataclasses.field(default=None, compare=False)

    def __str__(self) -> str:
        if self.name == "DECIMAL":
            return f"DECIMAL({self.precision}, {self.scale})"
        if self.name == "LIST":
            return f"{self.inner[0][1]}[]"
        if self.name == "MAP":
            return f"MAP({self.inner[0][1]}, {self.inner[1][1]})"
        if self.name == "STRUCT":
            return f"STRUCT({', '.join(f'{name} {inner}' for name, inner in self.inner)})"
        return self.name

    def document(self) -> dict[str, Any]:
        """The type as the engine reads it (JSON)."""
        out: dict[str, Any] = {"type": self.name}
        if self.name == "DECIMAL":
            out |= {"precision": self.precision, "scale": self.scale}
        if self.inner:
            out["inner"] = [{"name": name, **inner.document()} for name, inner in self.inner]
        return out

    @staticmethod
    def of_document(document: dict[str, Any]) -> ColumnType:
        """The type as the engine writes it (JSON)."""
        inner = tuple(columns_of_documents(document.get("inner", ())).items())
        return ColumnType(document["type"], document.get("precision", 0), document.get("scale", 0), inner)

    def arrow(self) -> Any:
        """The type as pyarrow has it."""
        import pyarrow as pa

        if self.name == "DECIMAL":
            return pa.decimal128(self.precision, self.scale)
        if self.name == "LIST":
            return pa.list_(self.inner[0][1].arrow())
        if self.name == "MAP":
            return pa.map_(self.inner[0][1].arrow(), self.inner[1][1].arrow())
        if self.name == "STRUCT":
            return pa.struct([(name, inner.arrow()) for name, inner in self.inner])
        return pa.type_for_alias(_ARROW_NAMES[self.name]) if self.name != "TIMESTAMPTZ" else pa.timestamp("us", tz="UTC")


def columns_of_documents(documents: Sequence[dict[str, Any]]) -> dict[str, ColumnType]:
    """Columns by name, as the engine writes them (JSON)."""
    return {document["name"]: ColumnType.of_document(document) for document in documents}


def list_of(item: ColumnType) -> ColumnType:
    """The type of lists of `item`."""
    return ColumnType("LIST", inner=(("item", item),))


def struct_of(fields: dict[str, ColumnType]) -> ColumnType:
    """The STRUCT of these fields."""
    return ColumnType("STRUCT", inner=tuple(fields.items()))


@dataclasses.dataclass(frozen=True)
class ColumnHint:
    """What a parameter or result of a function is: made by `hr.column`, or from a plain hint."""

    type: ColumnType
    nullable: bool = False
    container: Container = "value"


def column(hint: Any, container: Literal["arrow", "numpy", "pandas"] = "arrow") -> Any:
    """Says the type of a column where the array's class alone does not, as the hint of a vectorized function.

    Args:
        hint: the type of one value: `float`, `list[int]`, `hr.decimal(12, 2)`, ...
        container: what the function gets or gives: a pyarrow Array, a numpy array or a pandas Series.

    Raises:
        BadConfig: `hint` stands for no column type (code 1001).

    >>> str(column(list[int]).type)
    'BIGINT[]'
    """
    if container not in ("arrow", "numpy", "pandas"):
        raise BadConfig(f"container = {container!r} is not one of 'arrow', 'numpy', 'pandas'")
    return ColumnHint(type_of(hint), container == "arrow", container)


def decimal(precision: int, scale: int) -> Any:
    """Gives the hint of a DECIMAL(precision, scale) column; values are `decimal.Decimal`.

    Raises:
        BadConfig: not 1 <= precision <= 38 and 0 <= scale <= precision (code 1001).

    >>> str(type_of(decimal(12, 2)))
    'DECIMAL(12, 2)'
    """
    if not (1 <= precision <= 38 and 0 <= scale <= precision):
        raise BadConfig(f"decimal({precision}, {scale}): 1 <= precision <= 38 and 0 <= scale <= precision must hold")
    return Annotated[decimal_module.Decimal, ColumnType("DECIMAL", precision, scale)]


_PYTHON_NAMES = {
    bool: "BOOLEAN",
    int: "BIGINT",
    float: "DOUBLE",
    str: "VARCHAR",
    bytes: "BLOB",
    datetime.datetime: "TIMESTAMP",
    datetime.date: "DATE",
    datetime.time: "TIME",
}
_ARROW_NAMES = {
    "BOOLEAN": "bool", "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64", "UTINYINT": "uint8",
    "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64", "FLOAT": "float", "DOUBLE": "double",
    "VARCHAR": "string", "BLOB": "binary", "DATE": "date32", "TIME": "time64[us]", "TIMESTAMP": "timestamp[us]",
}  # fmt: skip
_ARROW_ARRAYS = {
    "BooleanArray": "BOOLEAN", "Int8Array": "TINYINT", "Int16Array": "SMALLINT", "Int32Array": "INTEGER",
    "Int64Array": "BIGINT", "UInt8Array": "UTINYINT", "UInt16Array": "USMALLINT", "UInt32Array": "UINTEGER",
    "UInt64Array": "UBIGINT", "FloatArray": "FLOAT", "DoubleArray": "DOUBLE", "StringArray": "VARCHAR",
    "BinaryArray": "BLOB", "Date32Array": "DATE", "Time64Array": "TIME", "TimestampArray": "TIMESTAMP",
}  # fmt: skip
_NUMPY_NAMES = {
    "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "uint8": "UTINYINT",
    "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT", "float32": "FLOAT", "float64": "DOUBLE",
    "datetime64[us]": "TIMESTAMP",
}  # fmt: skip


def hint_of(hint: Any) -> ColumnHint:
    """Reads a parameter's or result's hint.

    Raises:
        BadConfig: the hint stands for no column type (code 1001).

    >>> h = hint_of(float | None); str(h.type), h.nullable
    ('DOUBLE', True)
    """
    if isinstance(hint, ColumnHint):
        return hint
    if typing.get_origin(hint) is Annotated:
        for note in hint.__metadata__:
            if isinstance(note, ColumnHint):
                container = _container_of(hint.__origin__) or note.container
                return ColumnHint(note.type, container == "arrow", container)
    found = _array_hint(hint)
    if found is not None:
        return found
    plain, nullable = _without_none(hint)
    return ColumnHint(type_of(plain), nullable)


def type_of(hint: Any) -> ColumnType:
    """Gives the column type of one value's hint.

    Raises:
        BadConfig: the hint stands for no column type (code 1001).

    >>> str(type_of(dict[str, list[int]]))
    'MAP(VARCHAR, BIGINT[])'
    """
    if isinstance(hint, ColumnType):
        return hint
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        for note in hint.__metadata__:
            if isinstance(note, ColumnType):
                return note
        return type_of(hint.__origin__)
    if hint in _PYTHON_NAMES:
        return ColumnType(_PYTHON_NAMES[hint])
    if hint is decimal_module.Decimal:
        return ColumnType("DECIMAL", DECIMAL_PRECISION, DECIMAL_SCALE)
    if origin in (list, collections.abc.Sequence) and len(arguments) == 1:
        return ColumnType("LIST", inner=(("item", _inner(arguments[0])),))
    if origin in (dict, collections.abc.Mapping) and len(arguments) == 2:
        return ColumnType("MAP", inner=(("key", _inner(arguments[0])), ("value", _inner(arguments[1]))))
    if typing.is_typeddict(hint):
        return _struct_of(hint, None)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _struct_of(hint, hint)
    remedy = (
        "write list[int], dict[str, float], a dataclass or a TypedDict"
        if hint in (list, dict)
        else (
            "hints are bool, int, float, str, bytes, datetime, date, time, Decimal, list[T], dict[K, V], a dataclass or a "
            "TypedDict; of a vectorized function also pyarrow arrays and hr.column(T)"
        )
    )
    raise BadConfig(f"{_shown(hint)} stands for no column type", remedy=remedy)


def _struct_of(hint: Any, record: type | None) -> ColumnType:
    fields = typing.get_type_hints(hint, include_extras=True)
    if record is not None:
        fields = {field.name: fields[field.name] for field in dataclasses.fields(record)}
    if not fields:
        raise BadConfig(f"{_shown(hint)} has no fields")
    return ColumnType("STRUCT", inner=tuple((name, _inner(inner)) for name, inner in fields.items()), record=record)


def _inner(hint: Any) -> ColumnType:
    """Inside a list, map or struct every value may be None, whether the hint says so or not: SQL has no other kind."""
    return type_of(_without_none(hint)[0])


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    rest = [part for part in typing.get_args(hint) if part is not type(None)]
    if len(rest) != 1:
        raise BadConfig(f"{hint} is more than one type", remedy="the only union is `T | None`")
    return rest[0], True


def _array_hint(hint: Any) -> ColumnHint | None:
    module, name = getattr(hint, "__module__", "") or "", getattr(hint, "__name__", "")
    if module.split(".")[0] == "pyarrow":
        if name in _ARROW_ARRAYS:
            return ColumnHint(ColumnType(_ARROW_ARRAYS[name]), True, "arrow")
        raise BadConfig(f"pyarrow.{name} does not say the type of its values", remedy="write hr.column(list[int]) or the like")
    container = _container_of(typing.get_origin(hint) or hint)
    if container is None:
        return None
    arguments = typing.get_args(hint)
    if container == "numpy" and len(arguments) == 2 and typing.get_args(arguments[1]):
        import numpy

        try:
            dtype = numpy.dtype(typing.get_args(arguments[1])[0])
        except TypeError:
            dtype = None
        if dtype is not None and dtype.name in _NUMPY_NAMES:
            return ColumnHint(ColumnType(_NUMPY_NAMES[dtype.name]), False, "numpy")
    raise BadConfig(f"{_shown(hint)} does not say the type of its values", remedy=f"write hr.column(float, {container!r}) or the like")


def _container_of(kind: Any) -> Container | None:
    module, name = (getattr(kind, "__module__", "") or "").split(".")[0], getattr(kind, "__name__", "")
    if module == "pyarrow":
        return "arrow"
    if module == "numpy" and name == "ndarray":
        return "numpy"
    if module == "pandas" and name == "Series":
        return "pandas"
    return None


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else repr(hint)
