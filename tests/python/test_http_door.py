"""Rows through the HTTP door of a real engine: durable, exactly once, and seen in views."""

from __future__ import annotations

import gzip
import io
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import running_engine
from running_engine import RunningEngine

pytestmark = pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())

SQL = """
CREATE SOURCE tx (id VARCHAR, amount DECIMAL(12, 2), n BIGINT) WITH (connector = 'http');
CREATE MATERIALIZED VIEW total AS SELECT count(*) AS rows, sum(n) AS n FROM tx;
CREATE MATERIALIZED VIEW per_id AS SELECT id, count(*) AS rows, sum(amount) AS amount FROM tx GROUP BY id;
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[RunningEngine]:
    with RunningEngine(running_engine.write_project(tmp_path / "project", SQL), tmp_path / "state") as running:
        yield running


def row(number: int) -> dict[str, object]:
    return {"id": f"id{number % 3}", "amount": "1.50", "n": number}


def test_rows_reach_the_views(engine: RunningEngine) -> None:
    status, answer = engine.post_rows("tx", [row(1), {"id": 1, "amount": "x"}, row(2)])
    assert status == 200
    assert (answer["accepted"], answer["quarantined"], answer["position"], answer["repeated"]) == (2, 1, 3, False)
    assert [record["index"] for record in answer["records"]] == [1]
    engine.wait_for("SELECT rows, n FROM total", [[2, 3]])
    body = gzip.compress(json.dumps([row(3)]).encode())
    status, _, _ = engine.request("POST", "/v1/sources/tx", body, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert status == 200
    engine.wait_for("SELECT rows, n FROM total", [[3, 6]])
    quarantine = json.loads(engine.request("GET", "/v1/quarantine")[1])["rows"]
    assert [json.loads(record["bytes"]) for record in quarantine] == [{"id": 1, "amount": "x"}]


def test_a_key_counts_once_also_after_a_kill(engine: RunningEngine) -> None:
    for _ in range(3):
        status, answer = engine.post_rows("tx", [row(1), row(2)], key="a")
        assert (status, answer["accepted"], answer["position"]) == (200, 2, 2)
    engine.kill()
    engine.start()
    status, answer = engine.post_rows("tx", [row(1), row(2)], key="a")
    assert (status, answer["accepted"], answer["position"], answer["repeated"]) == (200, 2, 2, True)
    assert engine.post_rows("tx", [row(3)], key="a")[0] == 409
    engine.wait_for("SELECT rows, n FROM total", [[2, 3]])


def test_acknowledged_rows_outlive_a_kill(engine: RunningEngine) -> None:
    for round_number in range(3):
        for number in range(20):
            assert engine.post_rows("tx", [row(number)])[0] == 200
        engine.kill()
        engine.start()
        engine.wait_for("SELECT rows FROM total", [[20 * (round_number + 1)]])


def test_a_query_gives_arrow(engine: RunningEngine) -> None:
    import pyarrow.ipc

    engine.post_rows("tx", [row(number) for number in range(10)])
    engine.wait_for("SELECT rows FROM total", [[10]])
    sql = "SELECT id, amount, [rows, NULL] AS l, {'a': id} AS s FROM per_id WHERE id <> $1 ORDER BY id"
    body = json.dumps({"sql": sql, "parameters": ["id2"]})
    headers = {"Content-Type": "application/json", "Accept": "application/vnd.apache.arrow.stream"}
    status, content, answered = engine.request("POST", "/v1/sql", body.encode(), headers)
    assert status == 200
    assert int(answered["headrace-tick"]) > 0
    table = pyarrow.ipc.open_stream(io.BytesIO(content)).read_all()
    table.validate(full=True)
    assert table.to_pylist() == [
        {"id": "id0", "amount": pytest.approx(6), "l": [4, None], "s": {"a": "id0"}},
        {"id": "id1", "amount": pytest.approx(4.5), "l": [3, None], "s": {"a": "id1"}},
    ]


def test_changes_are_streamed(engine: RunningEngine) -> None:
    with urllib.request.urlopen(engine.url + "/v1/views/total/changes", timeout=running_engine.LIMIT_S) as stream:
        engine.post_rows("tx", [row(5)])
        seen: list[object] = []
        while ["+U", {"rows": 1, "n": 5}] not in seen and ["+I", {"rows": 1, "n": 5}] not in seen:
            line = stream.readline().decode()
            assert line, "the stream ended"
            if line.startswith("data: "):
                seen += json.loads(line.removeprefix("data: "))["changes"]


def test_it_ends_in_good_order(engine: RunningEngine) -> None:
    engine.post_rows("tx", [row(1)])
    assert engine.stop() in (0, 130)
    engine.start()
    engine.wait_for("SELECT rows FROM total", [[1]])
