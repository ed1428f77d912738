"""What durable state costs: bytes per checkpoint against bytes changed, and the time from kill -9 to the first right answer.

    python bench/state/recovery.py [--gigabytes 1] [--kills 3] [--shards 1]

A keyed count is filled over HTTP until its state has so many gigabytes. Then rows of a few keys come, one request a checkpoint, and the
bytes that the engine writes for them are read from /proc, those of merging segments apart. Then it is killed and started again; the
clock runs from the start of the process to the first answer, which has to be the right one. Aim: 5 s for 1 GB.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))

import running_engine
from running_engine import RunningEngine

SQL = """
CREATE SOURCE tx (key BIGINT, note VARCHAR) WITH (connector = 'http', lag_bytes_max = '4294967296');
CREATE VIEW per_key AS SELECT key, count(*) AS n, max(note) AS note FROM tx GROUP BY key;
CREATE MATERIALIZED VIEW total AS SELECT sum(n) AS rows, count(*) AS keys FROM per_key;
"""
ROWS_PER_REQUEST = 20_000
CHANGES = (1, 100, 10_000)
NOTE = "n" * 100


def requests(first: int, rows: int) -> Iterator[bytes]:
    for begin in range(first, first + rows, ROWS_PER_REQUEST):
        keys = range(begin, min(begin + ROWS_PER_REQUEST, first + rows))
        yield "".join(f'{{"key":{key},"note":"{NOTE}{key}"}}\n' for key in keys).encode()


def post(engine: RunningEngine, text: bytes) -> None:
    status, answer, _ = engine.request("POST", "/v1/sources/tx", text, {"Content-Type": "application/x-ndjson"})
    running_engine.wait_until(lambda: status in (200, 429), lambda: f"{status} {answer!r}")
    if status == 429:
        time.sleep(0.1)  # The door says how long; there is nothing to wait on.
        post(engine, text)


def state_bytes(engine: RunningEngine) -> int:
    return sum(node["state_bytes"] for node in json.loads(engine.request("GET", "/v1/status")[1])["nodes"])


def written_bytes(engine: RunningEngine) -> tuple[int, int]:
    """Bytes that the process handed to the disk so far: without those of merging segments, and those."""
    assert engine.process is not None
    fields = dict(line.split(": ") for line in Path(f"/proc/{engine.process.pid}/io").read_text().splitlines())
    merged = re.search(r"^headrace_merged_bytes_total (\S+)", engine.request("GET", "/metrics")[1].decode(), re.MULTILINE)
    assert merged is not None
    return int(fields["wchar"]) - int(float(merged[1])), int(float(merged[1]))


def wait_idle(engine: RunningEngine) -> None:
    """Waits until all is durable and nothing is written any more: a merge counts when it is done."""
    wait_durable(engine)
    before = None
    while before != (before := written_bytes(engine)):
        time.sleep(0.5)


def wait_durable(engine: RunningEngine) -> None:
    """Waits until all that was shown is durable."""

    def status() -> dict[str, int]:
        answer: dict[str, int] = json.loads(engine.request("GET", "/v1/status")[1])
        return answer

    running_engine.wait_until(lambda: status()["durable_tick"] >= status()["tick"], lambda: str(status()))


def fill(engine: RunningEngine, wanted_bytes: float) -> int:
    """Sends rows of new keys until the state is as large as wanted; gives the number of keys."""
    keys = 0
    while state_bytes(engine) < wanted_bytes:
        for text in requests(keys, 10 * ROWS_PER_REQUEST):
            post(engine, text)
        keys += 10 * ROWS_PER_REQUEST
        engine.wait_for("SELECT keys FROM total", [[keys]], limit_s=300)
    wait_durable(engine)
    return keys


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--shards", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        state = Path(scratch) / "state"
        with RunningEngine(running_engine.write_project(Path(scratch) / "project", SQL), state, shards=given.shards) as engine:
            began = time.monotonic()
            keys = rows = fill(engine, given.gigabytes * 1e9)
            print(f"{keys:,} keys, {state_bytes(engine) / 1e6:,.0f} MB of state, filled in {time.monotonic() - began:.0f} s", flush=True)
            for changed in CHANGES:
                wait_idle(engine)
                before, merged_before = written_bytes(engine)
                # Keys far apart: each is in a block of its own while there are blocks enough.
                lines = [f'{{"key":{n * (keys // changed)},"note":"{NOTE}"}}\n' for n in range(changed)]
                post(engine, "".join(lines).encode())
                rows += changed
                engine.wait_for("SELECT rows FROM total", [[rows]])
                wait_idle(engine)
                after, merged_after = written_bytes(engine)
                print(
                    f"{changed:>8,} keys changed: {(after - before) / 1e6:8.2f} MB written, {(after - before) / changed:,.0f} bytes a key; "
                    f"merging wrote {(merged_after - merged_before) / 1e6:.2f} MB",
                    flush=True,
                )
            taken_s = []
            for _ in range(given.kills):
                engine.kill()
                began = time.monotonic()
                engine.start()
                engine.wait_for("SELECT rows, keys FROM total", [[rows, keys]], limit_s=300)
                taken_s.append(time.monotonic() - began)
                print(f"killed; {taken_s[-1]:.2f} s to the first right answer (aim: 5 s for 1 GB)", flush=True)
    return 0 if statistics.median(taken_s) <= 5 * max(given.gigabytes, 0.1) else 1


if __name__ == "__main__":
    sys.exit(main())
