"""Headrace: real-time analytics in SQL and Python.

import headrace as hr

@hr.function
def cents(amount: float) -> int:
    return round(amount * 100)
"""

import importlib
from typing import TYPE_CHECKING, Any

from headrace.aggregate import Aggregate, aggregate
from headrace.column_types import column, decimal
from headrace.connector import SinkFunction, SourceFunction, sink, source
from headrace.errors import HeadraceError
from headrace.function import Function, function
from headrace.models import Model, model
from headrace.process import ProcessFunction, process
from headrace.schema import Schema
from headrace.table import TableFunction, table

if TYPE_CHECKING:
    from headrace.client import Admitted, Answer, Changes, Connection, connect
    from headrace.project import Project

__all__ = [
    "Admitted",
    "Aggregate",
    "Answer",
    "Changes",
    "Connection",
    "Function",
    "HeadraceError",
    "Model",
    "ProcessFunction",
    "Project",
    "Schema",
    "SinkFunction",
    "SourceFunction",
    "TableFunction",
    "aggregate",
    "column",
    "connect",
    "decimal",
    "function",
    "model",
    "process",
    "sink",
    "source",
    "table",
]
__version__ = "0.1.0"

#: Where names are found that programs use and functions do not: HTTP and TLS would make each start of an engine's Python slower.
_LATER = {
    "Admitted": "client",
    "Answer": "client",
    "Changes": "client",
    "Connection": "client",
    "Project": "project",
    "connect": "client",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
