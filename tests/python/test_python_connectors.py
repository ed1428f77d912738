"""Python sources, sinks and look-ups in a running engine: each row once, also over kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running_engine import BINARY, LIMIT_S, ROOT, wait_until, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

FUNCTIONS = """
import asyncio, json, pathlib
import headrace as hr

FOLDER = pathlib.Path({folder!r})
DELIVERED = FOLDER / "delivered.ndjson"

def commits():
    return DELIVERED.read_text().count("\\n") if DELIVERED.exists() else 0

@hr.source
async def numbers(position):
    for n in range(int(position or 0), {rows}, 10):
        while n >= 200 * (commits() + 1):  # Rows come as those before them are delivered: there are many commits on any machine.
            await asyncio.sleep(0.005)
        yield [{{"n": i if i != 7 else "seven", "text": f"row {{i}}"}} for i in range(n, n + 10)], str(n + 10)

@hr.function(asynchronous=True, concurrency=50, timeout="5 s")
async def square(n: int) -> int:
    await asyncio.sleep(0.001)
    return n * n

@hr.sink(writes=({folder!r},))
def deliver(rows, commit):
    with DELIVERED.open("a") as file:
        file.write(json.dumps([commit, rows]) + "\\n")
"""

SQL = """
CREATE SOURCE numbers (n BIGINT, text VARCHAR) WITH (connector = 'python', function = 'numbers');
CREATE SINK delivered WITH (connector = 'python', function = 'deliver') AS SELECT n, text, square(n) AS squared FROM numbers;
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "headrace.toml").write_text('name = "t"\n[engine]\ncheckpoint_interval_ms = 50\n')
    (tmp_path / "sql").mkdir()
    (tmp_path / "functions").mkdir()
    (tmp_path / "sql" / "pipeline.sql").write_text(SQL)
    return tmp_path


def run(project: Path, kill_at_commit: int = 0) -> int:
    """Runs to the end, or until so many commits were delivered, by this run and those before."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "HEADRACE_PYTHON": sys.executable}
    command = [str(BINARY), "run", str(project), "--until-end", "--state", str(project / "state"), "--shards", "2"]
    with (project / "log").open("ab") as log:
        engine = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        if kill_at_commit:
            wait_until(lambda: engine.poll() is not None or commits(project) >= kill_at_commit, (project / "log").read_text)
            engine.kill()
        return engine.wait(LIMIT_S)


def commits(project: Path) -> int:
    delivered = project / "delivered.ndjson"
    return delivered.read_text().count("\n") if delivered.exists() else 0


def delivered(project: Path) -> list[dict[str, object]]:
    """The rows, those of a commit that came again once."""
    commits = dict(json.loads(line) for line in (project / "delivered.ndjson").read_text().splitlines())
    return [row for rows in commits.values() for row in rows]


def expected(rows: int) -> list[dict[str, object]]:
    return [{"n": n, "text": f"row {n}", "squared": n * n} for n in range(rows) if n != 7]  # "seven" is no number: quarantined.


def test_rows_go_through_once(project: Path) -> None:
    (project / "functions" / "f.py").write_text(FUNCTIONS.format(folder=str(project), rows=500))
    assert run(project) == 0, (project / "log").read_text()
    assert sorted(delivered(project), key=lambda row: row["n"]) == expected(500)  # type: ignore[arg-type,return-value]


def test_kills_change_nothing(project: Path) -> None:
    (project / "functions" / "f.py").write_text(FUNCTIONS.format(folder=str(project), rows=6000))
    more = random.Random(5)
    for _ in range(4):
        assert run(project, kill_at_commit=commits(project) + more.randint(1, 4)) == -signal.SIGKILL
    assert run(project) == 0, (project / "log").read_text()
    assert sorted(delivered(project), key=lambda row: row["n"]) == expected(6000)  # type: ignore[arg-type,return-value]


def test_a_function_that_is_not_there(project: Path) -> None:
    (project / "functions" / "f.py").write_text(
        FUNCTIONS.format(folder=str(project), rows=10).replace("async def numbers", "async def digits")
    )
    assert run(project) != 0
    assert "there is no function 'numbers'" in (project / "log").read_text()
