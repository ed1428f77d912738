"""The client, the functions and the prompt on a real engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import headrace as hr
import headrace.dbapi as dbapi
import pytest
import running_engine
from headrace.errors import FunctionLoad, KeyReused, NotFound, SqlError
from running_engine import RunningEngine

pytestmark = pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())

SQL = """
CREATE SOURCE tx (card VARCHAR, amount DECIMAL(12, 2), n BIGINT) WITH (connector = 'http');
CREATE MATERIALIZED VIEW per_card AS SELECT card, count(*) AS rows, sum(amount) AS amount FROM tx GROUP BY card;
CREATE MATERIALIZED VIEW scored AS SELECT card, n, tenth(n) AS score, doubled(n) AS twice FROM tx;
"""
FUNCTIONS = """
import os
import headrace as hr
import pyarrow as pa
import pyarrow.compute as pc


@hr.function
def tenth(n: int) -> float:
    if n == 13:
        raise ValueError("unlucky")
    if n == 14:
        os._exit(1)
    return n / 10


@hr.function(vectorized=True)
def doubled(n: pa.Int64Array) -> pa.Int64Array:
    return pc.multiply(n, 2)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[RunningEngine]:
    project = running_engine.write_project(tmp_path / "project", SQL)
    (project / "functions").mkdir()
    (project / "functions" / "scores.py").write_text(FUNCTIONS)
    with RunningEngine(project, tmp_path / "state") as running:
        yield running


def tx(card: str, number: int | None) -> dict[str, object]:
    return {"card": card, "amount": Decimal("1.50"), "n": number}


def test_rows_in_and_answers_out(engine: RunningEngine) -> None:
    with hr.connect(engine.url) as db:
        sent = db.insert("tx", [tx("a", 1), tx("a", 2), tx("b", None)], idempotency_key="first")
        assert (sent.accepted, sent.quarantined, sent.repeated) == (3, 0, False)
        assert db.insert("tx", [tx("a", 1), tx("a", 2), tx("b", None)], idempotency_key="first").repeated
        with pytest.raises(KeyReused):
            db.insert("tx", [tx("z", 1)], idempotency_key="first")
        engine.wait_for("SELECT count(*) FROM scored", [[3]])
        answer = db.sql("SELECT card, rows, amount FROM per_card WHERE card = ? ORDER BY card", ["a"])
        assert answer.fetchall() == [("a", 2, Decimal("3.00"))]
        assert answer.tick >= answer.durable_tick >= 0
        assert db.sql("SELECT score, twice FROM scored ORDER BY n").fetchall() == [(0.1, 2), (0.2, 4), (None, None)]
        assert len(db.view("per_card", limit=1)) == 1
        assert [view["name"] for view in db.views()] == ["per_card", "scored"]
        with pytest.raises(SqlError):
            db.sql("SELECT prize FROM per_card")
        with pytest.raises(NotFound):
            db.view("no_view")
    cursor = dbapi.connect(engine.url).cursor().execute("SELECT card FROM per_card WHERE rows > ?", [1])
    assert cursor.fetchall() == [("a",)]


def test_a_function_that_fails_costs_its_row_alone(engine: RunningEngine) -> None:
    with hr.connect(engine.url) as db:
        db.insert("tx", [tx("a", number) for number in range(10, 20)])
        engine.wait_for("SELECT count(*) FROM scored", [[8]])
        assert [n for (n,) in db.sql("SELECT n FROM scored ORDER BY n").fetchall()] == [10, 11, 12, 15, 16, 17, 18, 19]


def test_a_subscription_outlives_the_engine(engine: RunningEngine) -> None:
    with hr.connect(engine.url) as db:
        db.insert("tx", [tx("a", 1)])
        engine.wait_for("SELECT rows FROM per_card", [[1]])
        following = db.subscribe("per_card")
        rows = {row["card"]: row["rows"] for _, row in next(following).changes}
        assert rows == {"a": 1}
        engine.kill()
        engine.start()
        db.insert("tx", [tx("a", 2), tx("b", 1)])
        for changes in following:
            if changes.snapshot:
                rows = {}
            for kind, row in changes.changes:
                if kind in ("-D", "-U"):
                    rows.pop(row["card"], None)
                else:
                    rows[row["card"]] = row["rows"]
            if rows == {"a": 2, "b": 1}:
                break


def test_the_prompt(engine: RunningEngine) -> None:
    with hr.connect(engine.url) as db:
        db.insert("tx", [tx("a", 1)])
    engine.wait_for("SELECT rows FROM per_card", [[1]])
    environment = {**os.environ, "HEADRACE_PYTHON": sys.executable, "PYTHONPATH": str(running_engine.ROOT / "python")}
    done = subprocess.run(
        [running_engine.BINARY, "sql", engine.url, "--format", "csv", "-c", "SELECT card, rows FROM per_card"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("card,rows\na,1\n", "")


def test_a_project_runs_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_BINARY", str(running_engine.BINARY))
    monkeypatch.setenv("HEADRACE_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(running_engine.ROOT / "python"))
    (tmp_path / "rows.ndjson").write_text("".join(f'{{"n": {n}}}\n' for n in range(100)))
    sql = f"""CREATE SOURCE numbers (n BIGINT) WITH (connector = 'file', path = '{tmp_path}/rows.ndjson');
CREATE SINK out WITH (connector = 'file', path = '{tmp_path}/out.csv', format = 'csv') AS
SELECT n, tenth(n) AS t FROM numbers WHERE n < 10;"""
    directory = running_engine.write_project(tmp_path / "project", sql)
    (directory / "functions").mkdir()
    (directory / "functions" / "scores.py").write_text(FUNCTIONS)
    project = hr.Project(directory)
    assert "is right" in project.check()
    assert "read 100 = accepted 100 + quarantined 0" in project.run()
    written = (tmp_path / "out.csv").read_text().splitlines()
    assert len(written) == 11 and written[-1] == "9,0.9"

    (directory / "sql" / "pipeline.sql").write_text(sql.replace("tenth(n)", "tenth(m)"))
    with pytest.raises(hr.HeadraceError) as failure:
        project.check()
    assert 2000 <= failure.value.code < 3000 and failure.value.at.startswith("sql/pipeline.sql:3:")
    (directory / "functions" / "scores.py").write_text("\ndef broken(:\n")
    with pytest.raises(FunctionLoad) as load_failure:
        project.check()
    assert load_failure.value.at == "functions/scores.py:2"
