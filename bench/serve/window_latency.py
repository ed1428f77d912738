"""From the row that closes a window to the window's result at a subscriber, with checkpoints on, under a steady load.

    python bench/serve/window_latency.py [--rows-per-s 100000] [--windows-per-s 50] [--seconds 30] [--shards 1]

One client sends rows of ever later windows: its request's first row closes the window before. Others send the rest of the load, by the
thousand, into the window that is open. The latency of a window is the time from before the closing POST until the change that shows the
window arrives at a subscriber (Server-Sent Events): it contains HTTP, the durable log, the tick and the stream. Aim: 5 ms at the median,
25 ms at p99, at half of the load that the machine takes.
"""

from __future__ import annotations

import argparse
import datetime
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

SQL = """
CREATE SOURCE tx (card VARCHAR, amount DOUBLE, ts TIMESTAMP, WATERMARK FOR ts AS ts)
WITH (connector = 'http', lag_bytes_max = '1073741824');
CREATE MATERIALIZED VIEW per_card AS
SELECT window_start, card, count(*) AS n, sum(amount) AS amount FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '10' SECOND)
GROUP BY window_start, window_end, card;
"""
FIRST = datetime.datetime(2024, 1, 1)
LOAD_ROWS = 1000


def start_of(window: int) -> str:
    return (FIRST + datetime.timedelta(seconds=10 * window)).isoformat(" ")


def body(window: int, rows: int) -> bytes:
    return "".join(f'{{"card":"card-{n % 100}","amount":1.5,"ts":"{start_of(window)}"}}\n' for n in range(rows)).encode()


class Load:
    """Clients of one source at a steady pace; the window that is open is theirs in common."""

    def __init__(self, url: str, seconds: float) -> None:
        self.port, self.end = int(url.rpartition(":")[2]), time.monotonic() + seconds
        self.window = 0
        self.closed_at: dict[int, float] = {}
        self.late_s = 0.0
        """How far the slowest client fell behind its pace."""

    def post(self, connection: http.client.HTTPConnection, text: bytes) -> None:
        connection.request("POST", "/v1/sources/tx", text, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"the door answered {answer.status} {content.decode()}")

    def run(self, step_s: float, rows: int, *, closes: bool) -> None:
        """Posts every `step_s` seconds; the client that closes opens a new window each time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        due = time.monotonic()
        while due < self.end:
            time.sleep(max(0.0, due - time.monotonic()))  # The pace is what is measured against.
            self.late_s = max(self.late_s, time.monotonic() - due)
            due += step_s
            if not closes:
                self.post(connection, body(self.window, rows))
                continue
            text = body(self.window + 1, rows)
            self.closed_at[self.window] = time.monotonic()
            self.post(connection, text)
            self.window += 1


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
    parser.add_argument("--rows-per-s", type=int, default=100_000)
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
            load = Load(engine.url, given.seconds)
            load.post(http.client.HTTPConnection("127.0.0.1", load.port), body(0, 1))
            clients = [threading.Thread(target=load.run, args=(1 / given.windows_per_s, 1), kwargs={"closes": True})]
            step_s = 2 * LOAD_ROWS / max(given.rows_per_s - given.windows_per_s, 1)
            clients += [threading.Thread(target=load.run, args=(step_s, LOAD_ROWS), kwargs={"closes": False}) for _ in range(2)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            closed = {start_of(window): at for window, at in load.closed_at.items()}
            running_engine.wait_until(
                lambda: len(seen_at.keys() & closed.keys()) == len(closed), lambda: f"{len(seen_at)} windows of {len(closed)}"
            )
    latencies_ms = sorted((seen_at[window] - at) * 1000 for window, at in closed.items())
    p50, p99, p999 = (latencies_ms[int(len(latencies_ms) * part)] for part in (0.5, 0.99, 0.999))
    print(f"{len(latencies_ms)} windows at {given.rows_per_s} rows/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms, p99.9 {p999:.1f} ms (aim: 5, 25)")
    print(f"the slowest client was {load.late_s * 1000:.0f} ms behind its pace")
    return 0 if p50 <= 5 and p99 <= 25 else 1


if __name__ == "__main__":
    sys.exit(main())
