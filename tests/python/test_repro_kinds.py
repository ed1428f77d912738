"""`headrace repro` of every kind of function: the call fails again as it failed in the pipeline, with the state it had before it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from headrace.door import Door
from headrace.errors import BadConfig
from headrace.repair.records import Record, records
from headrace.repair.repro import write
from running_engine import ROOT, RunningEngine, wait_until, why_not, write_project

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

FUNCTIONS = """
import asyncio, datetime, os, time
from collections.abc import Iterator
import headrace as hr
import pyarrow as pa

SECOND = datetime.timedelta(seconds=1)

@hr.aggregate
def highest(xs: list[int]) -> int:
    if 13 in xs:
        raise ValueError(f"unlucky: {xs}")
    return max(xs)

@hr.aggregate
class Budget:
    left: int = 100
    seen: dict[str, int] = {}

    def add(self, name: str, n: int) -> None:
        self.left -= n
        self.seen[name] = n
        if self.left < 0:
            raise OverflowError(f"{self.left} left after {sorted(self.seen)}")

    def merge(self, other: "Budget") -> None:
        self.left -= 100 - other.left

    def result(self) -> int:
        return self.left

@hr.table(timeout="2 s")
def parts(text: str) -> Iterator[str]:
    if text == "hang":
        time.sleep(60)
    yield from text

@hr.function(asynchronous=True, timeout="30 s")
async def asked(n: int) -> int:
    await asyncio.sleep(0)
    if n == 13:
        raise LookupError(f"nobody knows {n}")
    return n

@hr.process(key="name", state=hr.Schema(ns=list[int], last=datetime.datetime), output=hr.Schema(name=str, n=int))
class Climb:
    def on_row(self, key, row, state, timers):
        if row.n == 90:
            os._exit(9)
        state.ns = [*(state.ns or []), row.n]
        if len(state.ns) == 3:
            raise RuntimeError(f"{key} {state.ns} since {state.last}")
        state.last = row.ts
        timers.at(row.ts + SECOND, "rest")
        yield {"name": key, "n": row.n}

    def on_timer(self, key, at, state, timers):
        if state.ns == [7]:
            raise RuntimeError(f"{timers.name} of {key} at {at} with {state.ns}")

@hr.process(key="name", state=hr.Schema(total=float), output=hr.Schema(total=float))
class Sums:
    def on_rows(self, key, rows, state, timers):
        state.total = (state.total or 0) + sum(rows["n"].to_pylist())
        return pa.RecordBatch.from_pydict({"total": ["much" if state.total > 120 else state.total]})
"""
IN_ENVIRONMENT = """
import sys
import headrace as hr

@hr.function(env="own.lock")
def place_of(n: int) -> int:
    if n == 13:
        raise RuntimeError(sys.prefix)
    return n
"""
SQL = """
CREATE SOURCE t (name VARCHAR, n BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'http');
CREATE MATERIALIZED VIEW products AS SELECT name, highest(n) AS p FROM t GROUP BY name;
CREATE MATERIALIZED VIEW budgets AS SELECT name, Budget(name, n) AS p FROM t GROUP BY name;
CREATE MATERIALIZED VIEW all_parts AS SELECT name, part FROM t, LATERAL parts(name) AS w(part);
CREATE MATERIALIZED VIEW answers AS SELECT name, asked(n) AS n FROM t;
CREATE MATERIALIZED VIEW climbs AS SELECT name, n FROM Climb(TABLE t PARTITION BY name);
CREATE MATERIALIZED VIEW sums AS SELECT total FROM Sums(TABLE t PARTITION BY name);
CREATE MATERIALIZED VIEW places AS SELECT place_of(n) AS n FROM t;
"""
ROWS = [
    [("a", 13, 0), ("b", 60, 0), ("c", 7, 0), ("hang", 1, 0)],
    [("a", 5, 0), ("b", 61, 0), ("a", 6, 0), ("d", 90, 0)],
    [("e", 1, 2)],  # The watermark passes the timers.
]

#: Function, part of the reason; what of the state before the call the reason depends on stands in it.
WANTED = {
    "list aggregate": ("highest", "unlucky: [13]"),
    "accumulator": ("Budget", "-21 left after ['b']"),
    "table function": ("parts", "ran for more than 2000 ms"),
    "look-up": ("asked", "nobody knows 13"),
    "row of a key": ("Climb", "a [13, 5, 6] since 2026-01-01 00:00:00"),
    "death at a row": ("Climb", "the process"),
    "timer of a key": ("Climb", "rest of c at 2026-01-01 00:00:01 with [7]"),
    "wrong batch": ("Sums", "hint says"),
    "environment": ("place_of", "environments"),
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    folder = tmp_path_factory.mktemp("repro")
    project = write_project(folder / "project", SQL)
    (project / "functions").mkdir()
    (project / "functions" / "kinds.py").write_text(FUNCTIONS)
    (project / "functions" / "place.py").write_text(IN_ENVIRONMENT)
    (project / "own.lock").write_text("# Nothing but what the engine has.\n")
    with RunningEngine(project, folder / "state", shards=2) as started:
        for number, rows in enumerate(ROWS, 1):
            started.post_rows("t", [{"name": name, "n": n, "ts": f"2026-01-01 00:00:0{second}"} for name, n, second in rows])
            started.wait_for("SELECT count(*) FROM sums", [[sum(map(len, ROWS[:number])) - 2 * (number > 1)]])
        wait_until(lambda: all(found_for(started, kind) for kind in WANTED), lambda: str([r.reason for r in all_records(started)]))
        yield started


def all_records(engine: RunningEngine) -> list[Record]:
    return list(records(Door(engine.url)))


def found_for(engine: RunningEngine, kind: str) -> Record | None:
    function, reason = WANTED[kind]
    return next((each for each in all_records(engine) if each.function == function and reason in each.reason), None)


def run_folder(folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    environment: dict[str, Any] = {"PYTHONPATH": str(ROOT / "python"), "PATH": "/usr/bin:/bin"}
    environment |= {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME") if name in os.environ}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", WANTED)
def test_every_kind_fails_again_for_the_same_reason(engine: RunningEngine, tmp_path: pathlib.Path, kind: str) -> None:
    found = found_for(engine, kind)
    assert found is not None and found.detail is not None
    assert write(found, engine.project, tmp_path / "repro") == []
    done = run_folder(tmp_path / "repro")
    assert done.returncode == 1, done.stdout + done.stderr
    first = found.reason.splitlines()[0]
    same = first.split(": ", 1)[-1] if found.name == "function_died" else WANTED[kind][1] if found.name == "function_timeout" else first
    assert same.split(" (")[0] in done.stdout, (found.reason, done.stdout)


def test_a_mended_function_passes(engine: RunningEngine, tmp_path: pathlib.Path) -> None:
    found = found_for(engine, "row of a key")
    assert found is not None
    write(found, engine.project, tmp_path / "repro")
    file = tmp_path / "repro" / "functions" / "kinds.py"
    file.write_text(file.read_text().replace("len(state.ns) == 3", "len(state.ns) == 30"))
    done = run_folder(tmp_path / "repro")
    assert done.returncode == 0, done.stdout


def test_the_state_before_the_call_is_readable(engine: RunningEngine) -> None:
    found = found_for(engine, "timer of a key")
    assert found is not None and found.detail is not None
    arguments = found.detail["arguments"]
    assert list(arguments) == ["name", "(state)", "(timers)", "(rows)", "(watermarks)", "(watermark behind)"]
    assert arguments["(state)"] == {"ns": [7], "last": "2026-01-01 00:00:00"}
    assert [timer["name"] for timer in arguments["(timers)"]] == ["rest"]


def test_what_cannot_be_made_again_is_told(engine: RunningEngine, tmp_path: pathlib.Path) -> None:
    found = found_for(engine, "list aggregate")
    assert found is not None and found.detail is not None
    found.detail["arguments"] = None
    with pytest.raises(BadConfig, match="larger than 1 MiB"):
        write(found, engine.project, tmp_path / "repro")
    (tmp_path / "empty").mkdir()
    again = found_for(engine, "list aggregate")
    assert again is not None
    with pytest.raises(BadConfig, match="no function highest that loads"):
        write(again, tmp_path / "empty", tmp_path / "repro")
