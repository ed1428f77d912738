"""The pytest plug-in: a project under a test's hand."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from headrace.errors import HeadraceError, NotFound
from running_engine import BINARY, ROOT, why_not, write_project

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

SQL = """
CREATE SOURCE tx (card VARCHAR, amount DOUBLE, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH (connector = 'file', path = 'nowhere/*.parquet', format = 'parquet');
CREATE MATERIALIZED VIEW per_minute AS
  SELECT card, count(*) AS n FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end, card;
CREATE MATERIALIZED VIEW large AS SELECT card, doubled(amount) AS twice FROM tx WHERE amount > 10;
CREATE SINK out WITH (connector = 'file', path = 'out.ndjson', format = 'ndjson') AS SELECT * FROM large;
"""


@pytest.fixture
def project(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("HEADRACE_BIN", str(BINARY))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "python"))
    folder = write_project(tmp_path / "project", SQL)
    (folder / "functions").mkdir()
    (folder / "functions" / "f.py").write_text(
        "import headrace as hr\n@hr.function\ndef doubled(x: float) -> float:\n    assert x < 1000\n    return 2 * x\n"
    )
    return folder


def row(card: str, amount: float, ts: str) -> dict[str, Any]:
    return {"card": card, "amount": amount, "ts": ts}


def test_windows_close_when_time_is_moved(headrace_run: Callable[..., Any], project: pathlib.Path) -> None:
    run = headrace_run(project)
    run.feed("tx", [row("a", 5.0, "2026-01-01T00:00:00"), row("b", 20.0, "2026-01-01T00:00:30")])
    assert run.changes("per_minute") == []
    run.advance_to("2026-01-01T00:01:10")
    assert sorted(run.changes("per_minute"), key=str) == [("+I", {"card": "a", "n": 1}), ("+I", {"card": "b", "n": 1})]
    assert run.changes("per_minute") == []
    assert run.query("SELECT card, twice FROM large") == [{"card": "b", "twice": 40.0}]
    run.feed("tx", [row("a", 1.0, "2026-01-01T00:00:10")])
    assert [refused["late"] for refused in run.quarantine()] == [True]


def test_what_a_function_refuses_is_seen(headrace_run: Callable[..., Any], project: pathlib.Path) -> None:
    run = headrace_run(project, shards=2)
    run.feed("tx", [row("a", 5000.0, "2026-01-01T00:00:00"), row("b", 50.0, "2026-01-01T00:00:01")])
    run.end()
    assert run.changes("large") == [("+I", {"card": "b", "twice": 100.0})]
    (refused,) = run.quarantine()
    assert refused["name"] == "function_raised" and "AssertionError" in refused["reason"]


def test_mistakes_are_named(headrace_run: Callable[..., Any], project: pathlib.Path) -> None:
    run = headrace_run(project)
    with pytest.raises(NotFound, match="no source 'txx'"):
        run.feed("txx", [])
    with pytest.raises(NotFound, match="no view"):
        run.changes("nothing")
    (project / "sql" / "pipeline.sql").write_text("CREATE VIEW v AS SELECT x FROM y;")
    with pytest.raises(HeadraceError) as failure:
        headrace_run(project)
    assert failure.value.code // 1000 == 2
