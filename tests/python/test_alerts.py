"""Alerts of a real engine: when they fire, and what their webhook is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import running_engine

pytestmark = pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook's address, and the messages that came; one that comes again has the key that it had."""
    messages: list[dict[str, Any]] = []
    keys: set[str] = set()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers["Idempotency-Key"] not in keys:
                messages.append(message)
            keys.add(self.headers["Idempotency-Key"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", messages
        server.shutdown()
        thread.join()


def told(messages: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(message["alert"], message["state"], message["row"]) for message in messages]


SQL = """
CREATE SOURCE speeds (ts TIMESTAMP, car VARCHAR, speed INTEGER, WATERMARK FOR ts AS ts) WITH (connector = 'http');
CREATE MATERIALIZED VIEW per_minute AS
SELECT window_end, car, max(speed) AS speed
FROM TUMBLE(TABLE speeds, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end, car;
CREATE MATERIALIZED VIEW total AS SELECT car, count(*) AS n FROM speeds GROUP BY car;
CREATE ALERT fast ON per_minute WHEN speed > 100 FOR INTERVAL '10' MINUTE WITH (webhook = '{url}');
CREATE ALERT busy ON total WHEN n > 1 AND n < 4 WITH (webhook = '{url}');
"""


def test_for_counts_in_event_time(tmp_path: Path, receiver: tuple[str, list[dict[str, Any]]]) -> None:
    """Ten minutes of the day that is replayed, not of the clock; a row of a key that changes goes on firing."""
    url, messages = receiver
    project = running_engine.write_project(tmp_path / "project", SQL.replace("{url}", url))
    with running_engine.RunningEngine(project, tmp_path / "state", shards=2) as engine:

        def post(*rows: tuple[str, str, int]) -> None:
            sent = [{"ts": f"2024-01-01 {time}", "car": car, "speed": speed} for time, car, speed in rows]
            assert engine.post_rows("speeds", sent)[0] == 200

        def states() -> list[list[Any]]:
            alerts = json.loads(engine.request("GET", "/v1/alerts")[1])["alerts"]
            return sorted([alert["alert"], json.loads(alert["key"])["car"], alert["state"]] for alert in alerts)

        def wait_for(wanted: list[list[Any]]) -> None:
            running_engine.wait_until(lambda: states() == wanted, lambda: str(states()))

        post(("08:00:10", "a", 120), ("08:01:00", "b", 80))
        wait_for([["fast", "a", "pending"]])
        post(("08:10:59", "b", 80))  # 08:01:00 + 10 minutes is not there yet.
        wait_for([["busy", "b", "firing"], ["fast", "a", "pending"]])
        since = {alert["alert"]: alert["since_us"] for alert in json.loads(engine.request("GET", "/v1/alerts")[1])["alerts"]}
        assert since["fast"] == 1_704_096_060_000_000  # 2024-01-01 08:01:00, the window's end.
        post(("08:11:00", "b", 80))
        wait_for([["busy", "b", "firing"], ["fast", "a", "firing"]])
        # Messages are sent once the tick is durable; what a kill takes back was never told.
        running_engine.wait_until(lambda: len(messages) == 2, lambda: str(messages))
        engine.kill()
        engine.start()
        wait_for([["busy", "b", "firing"], ["fast", "a", "firing"]])
        post(("08:11:01", "b", 80))
        wait_for([["fast", "a", "firing"]])
        running_engine.wait_until(lambda: len(messages) == 3, lambda: str(messages))
    assert sorted(told(messages), key=str) == [
        ("busy", "firing", {"car": "b", "n": 2}),
        ("busy", "resolved", {"car": "b", "n": 3}),
        ("fast", "firing", {"window_end": "2024-01-01 08:01:00", "car": "a", "speed": 120}),
    ]
