"""`hr.Schema`: named columns with their types."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from typing import Any

from headrace.column_types import ColumnType, hint_of, type_of
from headrace.errors import BadConfig, HeadraceError


class Schema:
    """Columns of a state or of an output, each as a name and a hint: what the hints of `hr.function` are, these are.

    Attributes:
        columns: the types by name, in order.

    Raises:
        BadConfig: there is no column, or a hint stands for no column type (code 1001).

    >>> str(Schema(card=str, n=int, seen=list[float]))
    'card VARCHAR, n BIGINT, seen DOUBLE[]'
    """

    def __init__(self, **columns: Any) -> None:
        if not columns:
            raise BadConfig("a schema has at least one column", remedy="write hr.Schema(n=int)")
        self.columns: dict[str, ColumnType] = {}
        for name, hint in columns.items():
            try:
                self.columns[name] = hint_of(hint).type
            except HeadraceError as failure:
                raise BadConfig(f"the column {name!r}: {failure.message}", remedy=failure.remedy) from None

    def __str__(self) -> str:
        return ", ".join(f"{name} {kind}" for name, kind in self.columns.items())


def columns_of(row: Any, name: str) -> dict[str, ColumnType]:
    """The columns that one row's hint stands for: the fields of a NamedTuple, dataclass or TypedDict, or one column `name`."""
    if inspect.isclass(row) and (issubclass(row, tuple) or dataclasses.is_dataclass(row) or typing.is_typeddict(row)):
        fields = typing.get_type_hints(row, include_extras=True)
        return Schema(**fields).columns
    return {name: type_of(hint_of(row).type)}
