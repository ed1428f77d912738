"""`headrace state` shows what lies on the disk: without the project, beside a running engine, equal to what the views say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import running_engine
from running_engine import RunningEngine

pytestmark = pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())

SQL = """
CREATE SOURCE tx (card VARCHAR, amount DECIMAL(12, 2), tags VARCHAR[]) WITH (connector = 'http');
CREATE MATERIALIZED VIEW spent AS SELECT card, sum(amount) AS total, count(*) AS n FROM tx GROUP BY card;
CREATE MATERIALIZED VIEW tagged AS SELECT card, tags FROM tx;
"""


def state(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([running_engine.BINARY, "state", *words], capture_output=True, text=True, check=False)


def test_it_shows_tables_rows_and_answers(tmp_path: Path) -> None:
    project, directory = running_engine.write_project(tmp_path / "project", SQL), tmp_path / "state"
    with RunningEngine(project, directory, shards=2) as engine:
        sent = [{"card": f"card number {n % 50}", "amount": n, "tags": ["a", "b" * 20]} for n in range(1000)]
        assert engine.post_rows("tx", sent)[0] == 200
        engine.wait_for("SELECT count(*) FROM tagged", [[1000]])
        engine.stop()
        where = ("--state", str(directory))
        listed = json.loads(state("ls", *where, "--json").stdout)
        tables = {table["name"].split("_", 1)[1]: table for table in listed["tables"]}
        assert tables["aggregate_groups"]["rows"] == 50
        assert "aggregate of spent" in state("ls", *where).stdout
        groups, spent, tagged = (
            next(t["name"] for t in listed["tables"] if t["name"].endswith(end) and t["rows"] == count)
            for end, count in (("aggregate_groups", 50), ("view_rows", 50), ("view_rows", 1000))
        )
        answer = state("sql", f'SELECT sum(total) AS total, sum(n) AS n FROM "{spent}"', *where)
        assert json.loads(answer.stdout)["rows"] == [[499500.00, 1000]], answer.stdout + answer.stderr
        assert len(json.loads(state("show", groups, *where).stdout)["rows"]) == 50
        assert "bbbbbbbb" in state("show", tagged, *where).stdout
        wrong = state("show", groups + "x", *where)
        assert wrong.returncode == 1 and groups in wrong.stderr


def test_it_says_when_there_is_nothing_or_damage(tmp_path: Path) -> None:
    nothing = state("ls", "--state", str(tmp_path))
    assert nothing.returncode == 1 and "run the pipeline first" in nothing.stderr
    (tmp_path / "checkpoint.json").write_text("{")
    damaged = state("ls", "--state", str(tmp_path))
    assert damaged.returncode == 1 and "checkpoint.json cannot be read" in damaged.stderr
