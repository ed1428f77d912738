"""Manifest entries for files that the engine wrote, with the statistics that it took while writing."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable
from typing import Any

from pyiceberg.conversions import to_bytes
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
)
from pyiceberg.utils.datetime import date_to_days, datetime_to_micros
from pyiceberg.utils.truncate import truncate_upper_bound_text_string

from headrace.lake.durable_files import location_of

Json = dict[str, Any]

BOUND_CHARACTERS = 16
CUT_TEXT_BYTES = 200
"""The Parquet writer cuts longer texts before it gives them as bounds, perhaps inside a character."""


def data_file(table: Table, file: Json) -> DataFile:
    """Makes the manifest entry of one file.

    `file` is {"path", "rows", "bytes", "partition": [value, ...], "columns": {"<field id>": {"bytes", "values", "nulls", "min", "max"}}},
    where a column without usable bounds has no "min" and "max".
    """
    schema = table.schema()
    columns = {int(field_id): column for field_id, column in file["columns"].items()}
    bounds = {field_id: column_bounds(schema, field_id, column) for field_id, column in columns.items()}
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=location_of(file["path"]),
        file_format=FileFormat.PARQUET,
        partition=Record(*(partition_value(value) for value in file["partition"])),
        record_count=file["rows"],
        file_size_in_bytes=file["bytes"],
        column_sizes={field_id: column["bytes"] for field_id, column in columns.items()},
        value_counts={field_id: column["values"] for field_id, column in columns.items()},
        null_value_counts={field_id: column["nulls"] for field_id, column in columns.items()},
        nan_value_counts={},
        lower_bounds={field_id: lower for field_id, (lower, _) in bounds.items() if lower is not None},
        upper_bounds={field_id: upper for field_id, (_, upper) in bounds.items() if upper is not None},
        key_metadata=None,
        split_offsets=None,
        equality_ids=None,
        sort_order_id=None,
        spec_id=table.spec().spec_id,
    )


def partition_value(value: Any) -> Any:
    """Reads a partition's value: JSON's own, or {"date": "2026-01-01"}, which Iceberg keeps as a number of days."""
    return date_to_days(datetime.date.fromisoformat(value["date"])) if isinstance(value, dict) else value


def column_bounds(schema: Schema, field_id: int, column: Json) -> tuple[bytes | None, bytes | None]:
    """Gives the lower and upper bound as Iceberg stores them. No bound is always right; a wrong one hides rows from readers."""
    field_type = schema.find_type(field_id)
    if "min" not in column or "max" not in column or not isinstance(field_type, PrimitiveType):
        return None, None
    if isinstance(field_type, StringType):
        return text_bounds(column["min"], column["max"])
    read = READERS.get(type(field_type))
    if read is None:
        return None, None
    try:
        lower, upper = read(column["min"]), read(column["max"])
        if isinstance(field_type, FloatType | DoubleType):
            lower, upper = float_bounds(lower, upper)
        elif isinstance(field_type, DecimalType):
            lower, upper = (value.quantize(decimal.Decimal(1).scaleb(-field_type.scale), context=EXACT) for value in (lower, upper))
        return to_bytes(field_type, lower), to_bytes(field_type, upper)
    except (ValueError, OverflowError, ArithmeticError):  # Such as a date before the year 1: Python has none.
        return None, None


EXACT = decimal.Context(prec=60)


def float_bounds(lower: float, upper: float) -> tuple[float, float]:
    """Zero has two signs, and readers differ on their order: the bounds take both in."""
    if math.isnan(lower) or math.isnan(upper):
        raise ValueError("NaN is no bound")
    return (-0.0 if lower == 0 else lower), (0.0 if upper == 0 else upper)


def text_bounds(lower: str, upper: str) -> tuple[bytes | None, bytes | None]:
    """Cuts texts to their first characters; the upper one is raised so that it stays above."""
    if len(lower.encode()) >= CUT_TEXT_BYTES or len(upper.encode()) >= CUT_TEXT_BYTES:
        return None, None
    raised = truncate_upper_bound_text_string(upper, BOUND_CHARACTERS)
    if raised is not None and any("\ud800" <= character <= "\udfff" for character in raised):
        raised = None
    return lower[:BOUND_CHARACTERS].encode(), raised.encode() if raised is not None else None


def timestamp_us(text: str) -> int:
    """Reads DuckDB's "2026-01-01 00:00:00.5" or "2026-01-01 00:00:00.5+00".

    >>> timestamp_us("1970-01-01 00:00:01.5+00")
    1500000
    """
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return datetime_to_micros(moment)


READERS: dict[type, Callable[[str], Any]] = {
    BooleanType: lambda text: text in ("1", "true"),
    IntegerType: int,
    LongType: int,
    FloatType: float,
    DoubleType: float,
    DecimalType: decimal.Decimal,
    DateType: lambda text: date_to_days(datetime.date.fromisoformat(text)),
    TimestampType: timestamp_us,
    TimestamptzType: timestamp_us,
}
