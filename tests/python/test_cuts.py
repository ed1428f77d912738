"""`headrace check --cuts`: what a process function leaves must not depend on how its rows are cut."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import headrace as hr
import pyarrow as pa
import pytest
from headrace.column_types import ColumnType
from headrace.develop.cuts import cuts_of, differences, made_rows, rows_of
from headrace.errors import BadConfig
from headrace.process import ProcessFunction
from running_engine import BINARY, ROOT, why_not, write_project

COLUMNS = {name: ColumnType(kind) for name, kind in (("card", "VARCHAR"), ("amount", "DOUBLE"), ("ts", "TIMESTAMP"))}
FUNCTIONS = """
import datetime
import headrace as hr

@hr.process(key="card", state=hr.Schema(n=int), output=hr.Schema(card=str, n=int))
class Counted:
    def on_rows(self, key, rows, state, timers):
        first = state.n or 0
        state.n = first + len(rows)
        return [{"card": key, "n": n} for n in range(first + 1, state.n + 1)]

@hr.process(key="card", state=hr.Schema(n=int), output=hr.Schema(card=str, n=int))
class PerCall:
    def on_rows(self, key, rows, state, timers):
        state.n = (state.n or 0) + len(rows)
        return [{"card": key, "n": state.n}]

@hr.process(key="card", state=hr.Schema(most=int), output=hr.Schema(card=str))
class Largest:
    def on_rows(self, key, rows, state, timers):
        state.most = max(state.most or 0, len(rows))

@hr.process(key="card", state=hr.Schema(last=datetime.datetime), output=hr.Schema(card=str, n=int))
class Forgetful:
    def __init__(self):
        self.n = {}

    def on_row(self, key, row, state, timers):
        self.n[key] = self.n.get(key, 0) + 1
        state.last = row.ts
        yield {"card": key, "n": self.n[key]}

@hr.process(key="card", state=hr.Schema(n=int), output=hr.Schema(card=str, at=datetime.datetime))
class Timed:
    def on_row(self, key, row, state, timers):
        state.n = (state.n or 0) + 1
        timers.at(row.ts + datetime.timedelta(seconds=30), "idle")

    def on_timer(self, key, at, state, timers):
        yield {"card": key, "at": at}
"""


def functions() -> dict[str, ProcessFunction]:
    module: dict[str, Any] = {"__name__": "cut"}
    exec(compile(FUNCTIONS, "cut.py", "exec"), module)
    return {name: value for name, value in module.items() if isinstance(value, ProcessFunction)}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Counted", ""),
        ("Timed", ""),
        ("PerCall", "in two halves: row 1 given out is"),
        ("Largest", "in two halves: the state in the end is"),
        ("Forgetful", "each in a new process: row 2 given out is"),
    ],
)
def test_what_depends_on_the_cut_is_found(name: str, what: str) -> None:
    function = functions()[name]
    found = differences(function, COLUMNS, made_rows(COLUMNS, function.signature.key))
    assert (what in found[0]) if what else found == [], found


def test_rows_by_chance_have_every_type() -> None:
    columns = hr.Schema(k=str, b=bool, d=hr.decimal(3, 2), raw=bytes, many=list[int], names=dict[str, float]).columns
    rows = made_rows(columns, ("K",))
    assert len({row["k"] for row in rows}) == 3
    assert pa.table({name: pa.array([row[name] for row in rows], kind.arrow()) for name, kind in columns.items()}).num_rows == len(rows)
    assert all(cut.ends[-1] == 2 for cut in cuts_of(2))


def test_rows_of_a_file_are_cast(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "rows.ndjson"
    file.write_text('{"card": "a", "amount": 1, "ts": "2026-01-01T00:00:00"}\n' * 2)
    assert rows_of(file, COLUMNS)[0]["amount"] == 1.0
    for wrong in ({**COLUMNS, "other": ColumnType("BIGINT")}, {**COLUMNS, "card": ColumnType("BIGINT")}):
        with pytest.raises(BadConfig):
            rows_of(file, wrong)


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_the_command_finds_the_functions_that_are_called(tmp_path: pathlib.Path) -> None:
    sql = """
    CREATE SOURCE tx (card VARCHAR, amount DOUBLE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'http');
    CREATE MATERIALIZED VIEW counted AS SELECT * FROM Counted(TABLE tx PARTITION BY card);
    """
    project = write_project(tmp_path / "project", sql)
    (project / "functions").mkdir()
    (project / "functions" / "f.py").write_text(FUNCTIONS)

    def check() -> subprocess.CompletedProcess[str]:
        environment = {"PYTHONPATH": str(ROOT / "python"), "HEADRACE_PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}
        return subprocess.run([BINARY, "check", project, "--cuts"], env=environment, capture_output=True, text=True, check=False)

    done = check()
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["Counted: the same in 8 cuts of 240 rows"]), done.stderr
    pipeline = project / "sql" / "pipeline.sql"
    pipeline.write_text(sql + "CREATE MATERIALIZED VIEW calls AS SELECT * FROM PerCall(TABLE (SELECT card FROM tx) PARTITION BY card);")
    done = check()
    assert done.returncode == 1 and "PerCall, key " in done.stdout, json.dumps([done.stdout, done.stderr])
