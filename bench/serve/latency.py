"""From a row's POST to its change in a view's stream; from the start to the first row taken; memory of an idle engine.

    python bench/serve/latency.py [--rows-per-s 10000] [--seconds 10]

Rows are sent in requests of 100 by four clients at a steady pace. Every request carries one marked row; its latency is the time from
before the POST until the change that shows it arrives at a subscriber (Server-Sent Events).
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))

import running_engine
from running_engine import RunningEngine

CLIENTS = 4
ROWS_PER_REQUEST = 100

SQL = """
CREATE SOURCE tx (marked BIGINT, card VARCHAR, amount DOUBLE) WITH (connector = 'http');
CREATE MATERIALIZED VIEW newest AS SELECT max(marked) AS marked, count(*) AS rows, sum(amount) AS amount FROM tx;
CREATE MATERIALIZED VIEW marks AS SELECT marked FROM tx WHERE marked >= 0;
"""


def resident_mb(process_id: int) -> float:
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0


def follow(url: str, seen_at: dict[int, float], connected: threading.Event) -> None:
    """Notes when each marked row arrives."""
    with urllib.request.urlopen(url + "/v1/views/marks/changes", timeout=60) as stream:
        connected.set()
        for line in stream:
            if line.startswith(b"data: "):
                now = time.monotonic()
                for _, row in json.loads(line[6:])["changes"]:
                    seen_at.setdefault(row["marked"], now)


def post(port: int, first: int, count: int, step_s: float, sent_at: dict[int, float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin = time.monotonic()
    for i in range(count):
        mark = first + i * CLIENTS
        others = [f'{{"marked":-1,"card":"card-{n}","amount":1.5}}' for n in range(ROWS_PER_REQUEST - 1)]
        body = "\n".join([f'{{"marked":{mark},"card":"m","amount":1}}', *others]).encode()
        time.sleep(max(0.0, begin + i * step_s - time.monotonic()))  # The pace is what is measured against.
        sent_at[mark] = time.monotonic()
        connection.request("POST", "/v1/sources/tx", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"the door answered {answer.status}")


def measured(engine: RunningEngine, rows_per_s: int, seconds: float) -> list[float]:
    """Posts to `tx` at a steady pace; gives the milliseconds of each marked row until its change in `marks`, sorted."""
    seen_at: dict[int, float] = {}
    sent_at: dict[int, float] = {}
    connected = threading.Event()
    threading.Thread(target=follow, args=(engine.url, seen_at, connected), daemon=True).start()
    connected.wait(30)
    requests_per_s = rows_per_s / ROWS_PER_REQUEST
    count, step_s = int(requests_per_s * seconds / CLIENTS), CLIENTS / requests_per_s
    port = int(engine.url.rpartition(":")[2])
    clients = [threading.Thread(target=post, args=(port, client, count, step_s, sent_at)) for client in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    deadline = time.monotonic() + 30
    while not sent_at.keys() <= seen_at.keys() and time.monotonic() < deadline:
        time.sleep(0.01)
    latencies_ms = sorted((seen_at[mark] - sent_at[mark]) * 1000 for mark in sent_at if mark in seen_at)
    if len(latencies_ms) < len(sent_at):
        raise SystemExit(f"{len(sent_at) - len(latencies_ms)} of {len(sent_at)} marked rows never arrived")
    return latencies_ms


def main() -> None:
    parser = argparse.ArgumentParser(description="Latency from a row's POST to its change in a view's stream.")
    parser.add_argument("--rows-per-s", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        began = time.monotonic()
        with RunningEngine(running_engine.write_project(Path(scratch) / "project", SQL), Path(scratch) / "state") as engine:
            assert engine.process is not None
            status, _ = engine.post_rows("tx", [{"marked": -1, "card": "first", "amount": 0}])
            assert status == 200
            print(f"start to first acknowledged row  {(time.monotonic() - began) * 1000:8.0f} ms")
            print(f"resident memory, idle            {resident_mb(engine.process.pid):8.0f} MB")
            latencies_ms = measured(engine, given.rows_per_s, given.seconds)
            print(f"POST to change, p50              {latencies_ms[len(latencies_ms) // 2]:8.1f} ms   at {given.rows_per_s} rows/s")
            print(f"POST to change, p99              {latencies_ms[len(latencies_ms) * 99 // 100]:8.1f} ms")
            print(f"resident memory, after           {resident_mb(engine.process.pid):8.0f} MB")


if __name__ == "__main__":
    main()
