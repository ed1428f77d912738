"""State is let go: what no row to come can ask for is no row of any operator's state any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import running_engine
from running_engine import RunningEngine

pytestmark = pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())

KEYS = 500
SOURCE = """
CREATE SOURCE {} (key BIGINT, value BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (connector = 'http');
"""
WINDOWED = "key, window_start, count(*) AS n, count(DISTINCT value) AS values FROM {} GROUP BY key, window_start, window_end"
QUERIES = {
    "tumble": "SELECT " + WINDOWED.format("TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '10' SECOND)"),
    "hop": "SELECT " + WINDOWED.format("HOP(TABLE a, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND)"),
    "cumulate": "SELECT " + WINDOWED.format("CUMULATE(TABLE a, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND)"),
    "session": "SELECT " + WINDOWED.format("SESSION(TABLE a PARTITION BY key, DESCRIPTOR(ts), INTERVAL '5' SECOND)"),
    "interval": "SELECT a.key FROM a LEFT JOIN b ON a.key = b.key AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '5' SECOND",
    "recent": "SELECT key, sum(value) OVER (PARTITION BY key ORDER BY ts RANGE BETWEEN INTERVAL '5' SECOND PRECEDING AND CURRENT ROW) AS n "
    "FROM a",
    "ranked": "SELECT key, value FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, key ORDER BY value) AS place "
    "FROM TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE place <= 3",
}


def rows(second: int, keys: range) -> list[dict[str, Any]]:
    return [{"key": key, "value": key % 7, "ts": f"2024-01-01 00:00:{second:02}"} for key in keys]


def state_rows(engine: RunningEngine) -> dict[str, int]:
    """Gives the rows of state of each node that has any."""
    status = json.loads(engine.request("GET", "/v1/status")[1])
    return {f"{node['kind']} {node['name']}": node["state_rows"] for node in status["nodes"] if node["state_rows"]}


@pytest.mark.parametrize("name", QUERIES)
def test_state_goes_with_time(name: str, tmp_path: Path) -> None:
    """Rows of 500 keys, then one row far behind them in time: hardly more than its own state is left."""
    sources = SOURCE.format("a") + SOURCE.format("b")
    project = running_engine.write_project(
        tmp_path / "project", f"{sources}CREATE SINK out WITH (connector = 'blackhole') AS {QUERIES[name]};"
    )
    with RunningEngine(project, tmp_path / "state") as engine:
        for second in (1, 3):
            for table in "ab":
                assert engine.post_rows(table, rows(second, range(KEYS)))[0] == 200
        running_engine.wait_until(lambda: sum(state_rows(engine).values()) >= KEYS, lambda: str(state_rows(engine)))
        for second in (50, 55):
            for table in "ab":
                assert engine.post_rows(table, rows(second, range(KEYS, KEYS + 1)))[0] == 200
        running_engine.wait_until(lambda: sum(state_rows(engine).values()) < 20, lambda: str(state_rows(engine)))
