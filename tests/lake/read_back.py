"""Reads a lake table as another program does, and says what differs: `read_back.py WAREHOUSE TABLE`. Used by lake_test.

PyIceberg's scan and DuckDB's Parquet reader must see the same rows; and a scan for any value of a row must find that row, which it does
not when a file's bounds are wrong.
"""

from __future__ import annotations

import sys

import duckdb
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo, IsNull
from pyiceberg.types import DoubleType, FloatType, PrimitiveType, UUIDType


def as_text(rows: list[dict[str, object]]) -> list[str]:
    return sorted(repr(sorted(row.items(), key=lambda item: item[0])) for row in rows)


def main(warehouse: str, name: str) -> int:
    table = SqlCatalog("headrace", uri=f"sqlite:///{warehouse}/catalog.db").load_table(name)
    scanned: pa.Table = table.scan().to_arrow()
    files = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    read = duckdb.connect().execute("SET TimeZone = 'UTC'; SELECT * FROM read_parquet($1)", [files]).to_arrow_table()
    wrong = []
    # UUIDs come as an extension type from one reader and as text from the other.
    simple = [field.name for field in table.schema().fields if not isinstance(field.field_type, UUIDType)]
    for column in simple:
        one, two = as_text(scanned.select([column]).to_pylist()), as_text(read.select([column]).to_pylist())
        if one != two:
            wrong.append(f"{column}: PyIceberg {one}, DuckDB {two}")
    for field in table.schema().fields:
        if not isinstance(field.field_type, PrimitiveType) or isinstance(field.field_type, FloatType | UUIDType):
            continue
        for value in scanned[field.name].to_pylist():
            if isinstance(field.field_type, DoubleType) and value is not None and value != value:
                continue
            looked_for = IsNull(field.name) if value is None else EqualTo(field.name, to_literal(value))
            # The row itself, not only its file: with wrong bounds another file could be planned in its place.
            if not table.scan(row_filter=looked_for).to_arrow().num_rows:
                wrong.append(f"{field.name}: a scan for {value!r} finds nothing")
    if not scanned.num_rows:
        wrong.append("there are no rows to compare")
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


def to_literal(value: object) -> object:
    """Moments as PyIceberg takes them."""
    return value.isoformat() if hasattr(value, "isoformat") else value


sys.exit(main(*sys.argv[1:]))
