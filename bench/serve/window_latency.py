"""From the row that closes a window to the window's result at a subscriber, with checkpoints on, under a steady load.

    python bench/serve/window_latency.py [--rows-per-s 100000] [--windows-per-s 50] [--seconds 30] [--shards 1]

Without --rows-per-s, it is half of what the machine takes: the same clients first send as fast as they can, until all of it is in a result.

One client sends rows of ever later windows: each closes the window before the last, for rows may come a window late. Others send the
rest of the load, by the thousand, into the last window, so that none of it is late. The latency of a window is the time from before the
closing POST until the change that shows the window arrives at a subscriber (Server-Sent Events): it contains HTTP, the durable log, the
tick and the stream. Aim: 5 ms at the median, 25 ms at p99, at half of the load that the machine takes.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import multiprocessing
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))

import running_engine
from running_engine import RunningEngine

SQL = """
CREATE SOURCE tx (card VARCHAR, amount DOUBLE, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '10' SECOND)
WITH (connector = 'http', lag_bytes_max = '1073741824');
CREATE MATERIALIZED VIEW per_card AS
SELECT window_start, card, count(*) AS n, sum(amount) AS amount FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '10' SECOND)
GROUP BY window_start, window_end, card;
CREATE MATERIALIZED VIEW total AS SELECT count(*) AS rows FROM tx;
"""
FIRST = datetime.datetime(2024, 1, 1)
LOAD_ROWS = 1000
ROWS = {rows: "".join(f'{{"card":"card-{n % 100}","amount":1.5,"ts":"TS"}}\n' for n in range(rows)).encode() for rows in (1, LOAD_ROWS)}
FULL_LOAD_S = 5
CLIENTS = 2
"""That send the load, beside the one that closes windows."""


def start_of(window: int) -> str:
    return (FIRST + datetime.timedelta(seconds=10 * window)).isoformat(" ")


def body(window: int, rows: int) -> bytes:
    return ROWS[rows].replace(b"TS", start_of(window).encode())


class Load:
    """Clients of one source at a steady pace; the window that is open is theirs in common. Those that send the load are processes, so
    that the one that closes windows does not wait for them in its own interpreter."""

    def __init__(self, url: str, seconds: float) -> None:
        self.port, self.end = int(url.rpartition(":")[2]), time.monotonic() + seconds
        self.window = multiprocessing.Value("q", 0)
        self.closed_at: dict[int, float] = {}
        self.rows = multiprocessing.Value("q", 0)
        self.late_s = multiprocessing.Value("d", 0.0)
        """How far the slowest client fell behind its pace."""

    def clients(self, step_s: float) -> list[multiprocessing.Process]:
        """Starts those that send the load."""
        out = [multiprocessing.Process(target=self.run, args=(step_s, LOAD_ROWS), kwargs={"closes": False}) for _ in range(CLIENTS)]
        for client in out:
            client.start()
        return out

    def post(self, connection: http.client.HTTPConnection, text: bytes) -> None:
        connection.request("POST", "/v1/sources/tx", text, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"the door answered {answer.status} {content.decode()}")
        with self.rows.get_lock():
            self.rows.value += text.count(b"\n")

    def run(self, step_s: float, rows: int, *, closes: bool) -> None:
        """Posts every `step_s` seconds; the client that closes opens a new window each time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        due = time.monotonic()
        while due < self.end:
            time.sleep(max(0.0, due - time.monotonic()))  # The pace is what is measured against.
            with self.late_s.get_lock():
                self.late_s.value = max(self.late_s.value, time.monotonic() - due)
            due = due + step_s if step_s > 0 else time.monotonic()
            if not closes:
                self.post(connection, body(self.window.value, rows))
                continue
            text = body(self.window.value + 1, rows)
            self.closed_at[self.window.value - 1] = time.monotonic()
            self.post(connection, text)
            self.window.value += 1


def full_load(engine: RunningEngine, load: Load) -> float:
    """Sends as fast as the clients can; gives how many rows a second came to be in the result."""
    before = rows_counted(engine)
    began = time.monotonic()
    for client in load.clients(0):
        client.join()
    running_engine.wait_until(lambda: rows_counted(engine) - before == load.rows.value, lambda: "rows are missing")
    return float(load.rows.value / (time.monotonic() - began))


def rows_counted(engine: RunningEngine) -> int:
    return int(engine.sql("SELECT rows FROM total")[0][0] or 0)


def follow(url: str, seen_at: dict[str, float], connected: threading.Event) -> None:
    """Notes when the first row of each window arrives."""
    with urllib.request.urlopen(url + "/v1/views/per_card/changes", timeout=60) as stream:
        connected.set()
        for line in stream:
            if line.startswith(b"data: "):
                now = time.monotonic()
                for _, row in json.loads(line[6:])["changes"]:
                    seen_at.setdefault(row["window_start"], now)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows-per-s", type=int, help="default: half of what the machine takes")
    parser.add_argument("--windows-per-s", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--shards", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        project = running_engine.write_project(Path(scratch) / "project", SQL)
        with RunningEngine(project, Path(scratch) / "state", shards=given.shards) as engine:
            seen_at: dict[str, float] = {}
            connected = threading.Event()
            threading.Thread(target=follow, args=(engine.url, seen_at, connected), daemon=True).start()
            connected.wait(30)
            rows_per_s = given.rows_per_s or int(full_load(engine, Load(engine.url, FULL_LOAD_S)) / 2)
            load = Load(engine.url, given.seconds)
            connection = http.client.HTTPConnection("127.0.0.1", load.port)
            load.post(connection, body(0, 1))
            load.post(connection, body(1, 1))
            load.window.value = 1
            clients = load.clients(CLIENTS * LOAD_ROWS / max(rows_per_s - given.windows_per_s, 1))
            load.run(1 / given.windows_per_s, 1, closes=True)
            for client in clients:
                client.join()
            closed = {start_of(window): at for window, at in load.closed_at.items()}
            running_engine.wait_until(
                lambda: len(seen_at.keys() & closed.keys()) == len(closed), lambda: f"{len(seen_at)} windows of {len(closed)}"
            )
    latencies_ms = sorted((seen_at[window] - at) * 1000 for window, at in closed.items())
    p50, p99, p999 = (latencies_ms[int(len(latencies_ms) * part)] for part in (0.5, 0.99, 0.999))
    print(f"{len(latencies_ms)} windows at {rows_per_s:,} rows/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms, p99.9 {p999:.1f} ms (aim: 5, 25)")
    print(f"the slowest client was {load.late_s.value * 1000:.0f} ms behind its pace")
    return 0 if p50 <= 5 and p99 <= 25 else 1


if __name__ == "__main__":
    sys.exit(main())
