"""Filters over now(): rows leave views by themselves, what stands above follows, and a restart changes nothing."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from headrace.door import Door
from headrace.repair.why_open import why_open
from running_engine import BINARY, ROOT, RunningEngine, why_not, write_project

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

SQL = """
CREATE SOURCE clicks (who VARCHAR, ts TIMESTAMP) WITH (connector = 'http');
CREATE VIEW recent AS SELECT who, ts FROM clicks WHERE ts > now() - INTERVAL '{seconds}' SECOND AND ts <= now();
CREATE MATERIALIZED VIEW shown AS SELECT who FROM recent;
CREATE MATERIALIZED VIEW counted AS SELECT who, count(*) AS n FROM recent GROUP BY who;
"""


def click(who: str, seconds_ago: float = 0) -> dict[str, Any]:
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds_ago)
    return {"who": who, "ts": moment.strftime("%Y-%m-%d %H:%M:%S.%f")}


def test_a_row_leaves_a_running_engine(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", SQL.format(seconds=5))
    with RunningEngine(project, tmp_path / "state", shards=2) as engine:
        assert engine.post_rows("clicks", [click("ann"), click("ann"), click("old", 60), click("bob", -1)])[0] == 200
        engine.wait_for("SELECT who, n FROM counted WHERE who <> 'bob'", [["ann", 2]])
        engine.wait_for("SELECT who, n FROM counted WHERE who = 'bob'", [["bob", 1]])  # Its time is yet to come.
        engine.wait_for("SELECT * FROM shown", [])  # Nothing comes in any more: the engine ticks by itself.
        engine.wait_for("SELECT * FROM counted", [])


def test_a_row_leaves_after_a_restart(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", SQL.format(seconds=20))
    with RunningEngine(project, tmp_path / "state", shards=2) as engine:
        assert engine.post_rows("clicks", [click("gone", 12), click("ann", -1000), click("ann")])[0] == 200
        engine.wait_for("SELECT who, n FROM counted ORDER BY who", [["ann", 1], ["gone", 1]])
        (reason,) = why_open(Door(engine.url), "shown", "")["reasons"]
        assert reason["code"] == "not_yet" and "1 row waits" in reason["text"]
        engine.stop()
        engine.shards = 1  # State moves between shards, and the schedule with it.
        engine.start()
        engine.wait_for("SELECT who, n FROM counted ORDER BY who", [["ann", 1]])
        engine.wait_for("SELECT who FROM shown", [["ann"]])
        engine.kill()
        engine.start()
        engine.wait_for("SELECT who FROM shown", [])


@pytest.mark.parametrize("shards", [1, 3])
def test_each_tick_shows_what_batch_would(
    headrace_run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    monkeypatch.setenv("HEADRACE_BIN", str(BINARY))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "python"))
    run = headrace_run(write_project(tmp_path / "project", SQL.format(seconds=60)), shards=shards)
    start = datetime.datetime(2026, 1, 1, 12)
    rows: list[tuple[str, datetime.datetime]] = []
    for minute in range(40):
        now = start + datetime.timedelta(seconds=13 * minute)
        run.advance_to(now)
        new = [(f"user {minute * k % 7}", now + datetime.timedelta(seconds=offset)) for k, offset in enumerate((-70, -59, -30, 0, 5, 26))]
        run.feed("clicks", [{"who": who, "ts": ts} for who, ts in new])
        rows += new
        valid = [who for who, ts in rows if now - datetime.timedelta(seconds=60) < ts <= now]
        assert sorted(row["who"] for row in run.query("SELECT who FROM shown")) == sorted(valid)
        counts = {row["who"]: row["n"] for row in run.query("SELECT who, n FROM counted")}
        assert counts == {who: valid.count(who) for who in valid}
