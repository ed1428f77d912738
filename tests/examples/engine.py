"""The engine as these tests use it: run a project to its end, then read its views, lake tables, quarantine and books.

This is the one place that knows how the command line is called and what it prints.
"""

from __future__ import annotations

import datetime
import decimal
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEADRACE_BIN") or ROOT / "build" / "headrace")

Row = tuple[object, ...]


@dataclass(frozen=True)
class Finished:
    """How one run ended."""

    exit_code: int
    output: str


class EngineError(Exception):
    """The engine ended otherwise than it should have."""


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Gives the variables that a run needs: the interpreter for functions, the package, and the project's own."""
    out = dict(os.environ)
    out.setdefault("HEADRACE_PYTHON", sys.executable)
    out["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT / "python")]))
    out.update(variables or {})
    return out


def run_command(project: Path, state: Path, *, shards: int = 1) -> list[str]:
    """Gives the command that runs a project to the end of its input."""
    return [str(BINARY), "run", str(project), "--until-end", "--state", str(state), "--shards", str(shards)]


def run(project: Path, state: Path, *, shards: int = 1, variables: Mapping[str, str] | None = None) -> Finished:
    """Runs a project to its end.

    Raises:
        EngineError: the exit code is not 0; the message holds what was printed.
    """
    done = subprocess.run(
        run_command(project, state, shards=shards), env=environment(variables), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise EngineError(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return Finished(done.returncode, done.stdout + done.stderr)


def query(project: Path, state: Path, sql: str, *, variables: Mapping[str, str] | None = None) -> list[Row]:
    """Asks the last durable state of a project that is not running."""
    command = [str(BINARY), "query", str(project), "--state", str(state), "--format", "json", sql]
    done = subprocess.run(command, env=environment(variables), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineError(f"exit {done.returncode} for {sql}\n{done.stderr}")
    return [tuple(row) for row in json.loads(done.stdout)["rows"]]


def plain(value: object) -> object:
    """Turns a value of DuckDB for Python into what the engine's JSON holds; floats stay exactly what they are.

    >>> plain(datetime.datetime(2013, 1, 1, 5, 15))
    '2013-01-01 05:15:00'
    """
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    return value


def bag(rows: Iterable[Sequence[object]]) -> Counter[Row]:
    """Gives rows as a multiset of plain values."""
    return Counter(tuple(plain(value) for value in row) for row in rows)


def difference(got: Iterable[Sequence[object]], wanted: Iterable[Sequence[object]]) -> str:
    """Says in a few lines how two multisets of rows differ; "" = they are equal."""
    got_bag, wanted_bag = bag(got), bag(wanted)
    if got_bag == wanted_bag:
        return ""
    lost, more = wanted_bag - got_bag, got_bag - wanted_bag
    lines = [f"{lost.total()} rows are missing, {more.total()} are too many"]
    lines += [f"  missing  {row}" for row in sorted(lost, key=repr)[:5]] + [f"  too many {row}" for row in sorted(more, key=repr)[:5]]
    return "\n".join(lines)


def lake_rows(state: Path, table: str) -> list[Row]:
    """Reads a table of the embedded lake as another engine would: PyIceberg finds its files in the catalog, DuckDB reads them."""
    import duckdb
    from pyiceberg.catalog.sql import SqlCatalog

    lake = state / "lake"
    catalog = SqlCatalog("headrace", uri=f"sqlite:///{lake / 'catalog.db'}", warehouse=str(lake))
    files = [task.file.file_path.removeprefix("file://") for task in catalog.load_table(table).scan().plan_files()]
    return duckdb.sql(f"FROM read_parquet({files!r})").fetchall() if files else []


def source_books(output: str, source: str) -> tuple[int, int, int]:
    """Finds a source's line in the summary: records read, accepted, quarantined.

    Raises:
        EngineError: the line is not there, or the books of the run do not balance.
    """
    found = re.search(rf"^source {re.escape(source)}: read (\d+) = accepted (\d+) \+ quarantined (\d+)$", output, re.MULTILINE)
    if found is None or "books: balanced" not in output:
        raise EngineError(f"no books of source {source}, or books that do not balance:\n{output}")
    read, accepted, quarantined = (int(number) for number in found.groups())
    return read, accepted, quarantined
