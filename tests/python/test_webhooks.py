"""Alerts at webhooks: each firing arrives, again after a failed answer and after a kill, always under the same Idempotency-Key."""

from __future__ import annotations

import http.server
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import running_engine
from running_engine import RunningEngine, wait_until


class Receiver(http.server.BaseHTTPRequestHandler):
    """Notes what comes, and refuses the first attempt of every key."""

    attempts: dict[str, int]
    bodies: dict[str, set[str]]
    refusals = 1

    def do_POST(self) -> None:
        key = self.headers["Idempotency-Key"]
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        type(self).attempts[key] += 1
        type(self).bodies[key].add(body)
        self.send_response(500 if type(self).attempts[key] <= type(self).refusals else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[type[Receiver], str]]:
    """A server at a free port, with what it received."""
    Receiver.attempts, Receiver.bodies = defaultdict(int), defaultdict(set)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Receiver, f"http://127.0.0.1:{server.server_address[1]}/alerts"
    server.shutdown()


@pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())
def test_each_firing_arrives_under_one_key(receiver: tuple[type[Receiver], str], tmp_path: Path) -> None:
    received, url = receiver
    sql = f"""
    CREATE SOURCE tx (card VARCHAR, amount BIGINT) WITH (connector = 'http');
    CREATE MATERIALIZED VIEW spent AS SELECT card, sum(amount) AS amount FROM tx GROUP BY card;
    CREATE ALERT heavy ON spent WHEN amount > 100 WITH (webhook = '{url}');
    """
    project = running_engine.write_project(tmp_path / "project", sql)

    def cards() -> set[str]:
        return {json.loads(body)["row"]["card"] for bodies in received.bodies.values() for body in bodies}

    with RunningEngine(project, tmp_path / "state") as engine:
        engine.post_rows("tx", [{"card": f"c{n}", "amount": 60} for n in range(5)])
        engine.post_rows("tx", [{"card": f"c{n}", "amount": 60} for n in range(3)])
        wait_until(lambda: cards() >= {"c0", "c1", "c2"})
        engine.kill()
        engine.start()
        engine.post_rows("tx", [{"card": "c3", "amount": 60}])
        wait_until(lambda: "c3" in cards() and min(received.attempts.values()) > Receiver.refusals)
    assert cards() == {"c0", "c1", "c2", "c3"}
    assert all(len(bodies) == 1 for bodies in received.bodies.values()), "one key stood over two bodies"
    assert len(received.bodies) == 4, "one firing came under two keys"
