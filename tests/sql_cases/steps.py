"""Writes a golden text (.slt) of a case with steps: each insert, delete or update is a feed, each expected answer a query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shared_cases

OPERATIONS = {"insert": "+I", "delete": "-D", "update": "+U"}


def golden_text(case: Path) -> str:
    """Gives the whole text."""
    description = shared_cases.description(case)
    tool = shared_cases.tool()
    steps = json.loads((case / "steps.json").read_text())
    changing = {step[kind] for step in steps for kind in ("delete", "update") if kind in step}
    blocks = []
    for ddl in tool.split_statements((case / "ddl.sql").read_text()):
        table = re.match(r"CREATE TABLE\s+[`\"]?(\w+)", ddl, re.IGNORECASE)
        assert table is not None
        options = "\nWITH (format = 'changelog-ndjson')" if table[1] in changing else ""
        blocks.append(f"statement ok\n{ddl}{options};".replace("CREATE TABLE", "CREATE SOURCE"))
    *views, select = tool.split_statements((case / "query.sql").read_text())
    blocks += [f"statement ok\n{view};" for view in [*views, f"CREATE MATERIALIZED VIEW answer AS\n{select}"]]
    blocks += [block(step, description) for step in steps]
    return "\n\n".join(blocks) + "\n"


def block(step: dict[str, Any], description: dict[str, Any]) -> str:
    """Writes one step."""
    if "expect" in step:
        rows = [" ".join("NULL" if value is None else str(value) for value in row) for row in step["expect"]]
        return "\n".join(["query", "SELECT * FROM answer", "----", *rows])
    kind = next(kind for kind in OPERATIONS if kind in step)
    return "\n".join([f"feed {step[kind]}", *records(step, kind, description)])


def records(step: dict[str, Any], kind: str, description: dict[str, Any]) -> Iterator[str]:
    """Gives the step's rows as records of a changelog."""
    columns = [name for name, _ in description["tables"][step[kind]]["columns"]]
    for row in step["rows"]:
        yield json.dumps({"_op": OPERATIONS[kind]} | dict(zip(columns, row, strict=True)))
