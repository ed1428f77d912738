"""Rows per second that the HTTP door acknowledges as durable, beside what a bare fdatasync costs on the same disk.

    python bench/serve/ingest.py [--seconds 10] [--clients 8] [--rows-per-request 1,100,1000]

Each line is one size of request. `syncs/s` is a loop of append + fdatasync of as many bytes as one request's record has, alone on the
disk, before and after: the ceiling without group commit.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))

import running_engine
from running_engine import RunningEngine

SQL = """
CREATE SOURCE tx (id BIGINT, card VARCHAR, amount DOUBLE, country VARCHAR) WITH (connector = 'http', lag_bytes_max = '4294967296');
CREATE MATERIALIZED VIEW total AS SELECT count(*) AS rows FROM tx;
"""


def bodies(rows: int, count: int) -> list[bytes]:
    return [
        "".join(
            f'{{"id":{n * rows + i},"card":"card-{(n * 7919 + i) % 5000}","amount":{(i % 997) / 7:.2f},"country":"AT"}}\n'
            for i in range(rows)
        ).encode()
        for n in range(count)
    ]


def syncs_per_s(directory: Path, size: int, seconds: float) -> float:
    """Appends and syncs alone."""
    with open(directory / "bare", "ab", buffering=0) as file:
        content, done, end = os.urandom(size), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            file.write(content)
            os.fdatasync(file.fileno())
            done += 1
    (directory / "bare").unlink()
    return done / seconds


def post_until(port: int, texts: list[bytes], end: float, latencies_ms: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    number = 0
    while time.monotonic() < end:
        began = time.monotonic()
        connection.request("POST", "/v1/sources/tx", texts[number % len(texts)], {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{answer.status} {content.decode()}")
        latencies_ms.append((time.monotonic() - began) * 1000)
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Acknowledged rows per second through the HTTP door.")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rows-per-request", default="1,100,1000")
    given = parser.parse_args()
    print(f"{'rows/request':>12} {'rows/s':>10} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'syncs/s':>9}")
    for rows in map(int, given.rows_per_request.split(",")):
        with tempfile.TemporaryDirectory(dir=".") as scratch:
            directory = Path(scratch)
            texts = bodies(rows, 16)
            before = syncs_per_s(directory, max(64, rows * 30), 1)
            with RunningEngine(running_engine.write_project(directory / "project", SQL), directory / "state") as engine:
                port = int(engine.url.rpartition(":")[2])
                latencies_ms: list[float] = []
                end = time.monotonic() + given.seconds
                threads = [threading.Thread(target=post_until, args=(port, texts, end, latencies_ms)) for _ in range(given.clients)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                acknowledged = len(latencies_ms) * rows
                engine.wait_for("SELECT rows FROM total", [[acknowledged]], limit_s=120)
                assert json.loads(engine.request("GET", "/v1/status")[1])["failure"] is None
            after = syncs_per_s(directory, max(64, rows * 30), 1)
            latencies_ms.sort()
            p50, p99 = latencies_ms[len(latencies_ms) // 2], latencies_ms[len(latencies_ms) * 99 // 100]
            rate = len(latencies_ms) / given.seconds
            print(f"{rows:>12} {acknowledged / given.seconds:>10.0f} {rate:>11.0f} {p50:>8.2f} {p99:>8.2f} {(before + after) / 2:>9.0f}")


if __name__ == "__main__":
    main()
