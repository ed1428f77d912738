"""Answers as text: aligned tables for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
from collections.abc import Sequence
from typing import Any

from wcwidth import wcswidth

from headrace.client import Answer

CELL_WIDTH_MAX = 80
_NUMBERS = ("int", "uint", "float", "double", "halffloat", "decimal")


class Style:
    """Escape sequences, or nothing where colour is not wanted."""

    def __init__(self, colour: bool) -> None:
        self.bold, self.dim, self.red, self.end = ("\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m") if colour else ("", "", "", "")


def table_text(answer: Answer, *, style: Style, rows_max: int | None, cut_cells: bool) -> str:
    """The answer as an aligned table with its number of rows.

    Args:
        rows_max: rows beyond are left out, and that is said; None = all.
        cut_cells: cells wider than CELL_WIDTH_MAX are cut.
    """
    table = answer.arrow() if rows_max is None else answer.arrow().slice(0, rows_max)
    right = [str(field.type).startswith(_NUMBERS) for field in table.schema]
    columns = [[shown(value) for value in column.to_pylist()] for column in table.columns]
    nulls = [[not valid for valid in column.is_valid().to_pylist()] for column in table.columns]
    if cut_cells:
        columns = [[_cut(cell) for cell in column] for column in columns]
    names = [shown(name) for name in table.column_names]
    widths = [max(_width(cell) for cell in (name, *column)) for name, column in zip(names, columns, strict=True)]
    lines = []
    if names:
        header = " | ".join(_padded(name, width, False) for name, width in zip(names, widths, strict=True))
        lines.append(f"{style.bold}{header.rstrip()}{style.end}")
        lines.append("-+-".join("-" * width for width in widths))
    for row in range(table.num_rows):
        cells = []
        for index, column in enumerate(columns):
            cell = _padded(column[row], widths[index], right[index])
            cells.append(f"{style.dim}{cell}{style.end}" if nulls[index][row] else cell)
        lines.append(" | ".join(cells).rstrip())
    count = f"({len(answer)} row{'' if len(answer) == 1 else 's'})"
    if table.num_rows < len(answer):
        count = f"(the first {table.num_rows} of {len(answer)} rows; --format csv gives all)"
    return "\n".join([*lines, count]) + "\n"


def csv_text(answer: Answer) -> str:
    """The answer as CSV with a header; NULL is an empty field.

    Nested values stand as JSON.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.columns)
    for row in answer.fetchall():
        writer.writerow(["" if value is None else _plain(value) for value in row])
    return out.getvalue()


def json_text(answer: Answer) -> str:
    """The answer as a JSON array of objects, one per line."""
    rows = [json.dumps(dict(zip(answer.columns, row, strict=True)), default=_json_value, ensure_ascii=False) for row in answer.fetchall()]
    return "[" + ",\n ".join(rows) + "]\n"


def shown(value: Any) -> str:
    """One value for the eye; what would move the cursor or change the terminal is written out.

    >>> shown(None), shown(True), shown("a\\tb\\x1b[2J"), shown([1, None])
    ('NULL', 'true', 'a\\\\tb\\\\x1b[2J', '[1, null]')
    """
    if value is None:
        return "NULL"
    text = _plain(value)
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, two spaces apart.

    >>> print(aligned([("a", "BIGINT"), ("longer", "VARCHAR")]))
    a       BIGINT
    longer  VARCHAR
    """
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_padded(cell, width, False) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(value, default=_json_value, ensure_ascii=False)
    return str(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, (decimal.Decimal, datetime.datetime, bytes)):
        return _plain(value)
    return str(value)


def _width(text: str) -> int:
    width = wcswidth(text)
    return width if width >= 0 else len(text)


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _cut(text: str) -> str:
    return text if len(text) <= CELL_WIDTH_MAX else text[: CELL_WIDTH_MAX - 1] + "…"
