"""Headrace: real-time analytics in SQL and Python.

import headrace as hr

@hr.function
def cents(amount: float) -> int:
    return round(amount * 100)
"""

from headrace.aggregate import Aggregate, aggregate
from headrace.client import Admitted, Answer, Changes, Connection, connect
from headrace.column_types import column, decimal
from headrace.connector import SinkFunction, SourceFunction, sink, source
from headrace.errors import HeadraceError
from headrace.function import Function, function
from headrace.models import Model, model
from headrace.process import ProcessFunction, process
from headrace.project import Project
from headrace.schema import Schema
from headrace.table import TableFunction, table

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
