"""From a payment's POST to its place among the risky ones, and to its alert at a webhook: examples/fraud_live at 5,000 payments/s.

    python bench/serve/fraud_latency.py [--rows-per-s 5000] [--seconds 20] [--seed 2]

Prints precision and recall, too, in the unit of examples/fraud: a card in one window of an hour. The alert waits for the durable tick.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import importlib.util
import json
import os
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from headrace.demo import fraud
from running_engine import ROOT, RunningEngine, wait_until

ROWS_PER_REQUEST = 50
PROJECT = ROOT / "examples" / "fraud_live"


class Webhook(http.server.ThreadingHTTPServer):
    """Takes alerts, and notes when each came."""

    daemon_threads = True

    def __init__(self) -> None:
        self.seen_at: dict[str, float] = {}
        super().__init__(("127.0.0.1", 0), AlertHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/alerts"


class AlertHandler(http.server.BaseHTTPRequestHandler):
    """Answers each alert."""

    server: Webhook

    def do_POST(self) -> None:
        row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["row"]
        self.server.seen_at.setdefault(row["tx_id"], time.monotonic())
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


def follow(url: str, seen_at: dict[str, float], connected: threading.Event) -> None:
    """Notes when each risky payment is shown."""
    with urllib.request.urlopen(url + "/v1/views/risky/changes", timeout=60) as stream:
        connected.set()
        for line in stream:
            if line.startswith(b"data: "):
                now = time.monotonic()
                for _, row in json.loads(line[6:])["changes"]:
                    seen_at.setdefault(row["tx_id"], now)


def requests_of(data: Path) -> Iterator[list[str]]:
    lines = (data / "tx.ndjson").read_text().splitlines(keepends=True)
    for first in range(0, len(lines), ROWS_PER_REQUEST):
        yield lines[first : first + ROWS_PER_REQUEST]


def send(url: str, data: Path, rows_per_s: int) -> dict[str, float]:
    """Sends all payments in order, at a steady pace; gives when each was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]), timeout=60)
    sent_at: dict[str, float] = {}
    began = time.monotonic()
    for number, lines in enumerate(requests_of(data)):
        time.sleep(max(0.0, began + number * ROWS_PER_REQUEST / rows_per_s - time.monotonic()))  # The pace is what is measured against.
        now = time.monotonic()
        sent_at.update((json.loads(line)["tx_id"], now) for line in lines)
        connection.request("POST", "/v1/sources/tx", "".join(lines).encode(), {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"the door answered {answer.status}")
    return sent_at


def percentiles(sent_at: Mapping[str, float], seen_at: Mapping[str, float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    waited_ms = sorted((at - sent_at[tx_id]) * 1000 for tx_id, at in seen_at.items())
    return waited_ms[len(waited_ms) // 2], waited_ms[len(waited_ms) * 99 // 100]


def load_evaluate() -> ModuleType:
    """Loads examples/fraud/evaluate.py, which belongs to the example and to no package."""
    spec = importlib.util.spec_from_file_location("evaluate", ROOT / "examples" / "fraud" / "evaluate.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["evaluate"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(description="Latency from payment to alert, and how right the alerts are.")
    parser.add_argument("--rows-per-s", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=2, help="of the payments; the model learned from 1001 (default: 2)")
    given = parser.parse_args()
    evaluate = load_evaluate()
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        data = Path(scratch) / "data"
        fraud.generate(data, transactions=int(given.rows_per_s * given.seconds), seed=given.seed)
        webhook = Webhook()
        os.environ.update(FRAUD_DATA=str(data.resolve()), FRAUD_WEBHOOK=webhook.url)
        with RunningEngine(PROJECT, Path(scratch) / "state") as engine:
            shown_at: dict[str, float] = {}
            connected = threading.Event()
            threading.Thread(target=follow, args=(engine.url, shown_at, connected), daemon=True).start()
            connected.wait(30)
            began = time.monotonic()
            sent_at = send(engine.url, data, given.rows_per_s)
            rate = len(sent_at) / (time.monotonic() - began)
            engine.wait_for("SELECT payments FROM scores", [[len(sent_at)]])
            risky = engine.sql("SELECT tx_id, card, ts FROM risky")
            alerted_at = webhook.seen_at
            wait_until(lambda: len(shown_at) == len(alerted_at) == len(risky), lambda: f"{len(alerted_at)} of {len(risky)} alerts")
        flagged = {(card, end) for _, card, ts in risky for end in evaluate.window_ends(datetime.fromisoformat(ts))}
        print(f"{len(sent_at):,} payments at {rate:,.0f} a second, {len(risky)} alerts")
        print("payment to view    p50 {:6.1f} ms   p99 {:6.1f} ms".format(*percentiles(sent_at, shown_at)))
        print("payment to alert   p50 {:6.1f} ms   p99 {:6.1f} ms".format(*percentiles(sent_at, alerted_at)))
        print(evaluate.table({"live": evaluate.measure(flagged, evaluate.truth(data))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
