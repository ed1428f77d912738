"""What alignment saves: the most state that a project holds while it catches up, with sources as far apart as they like and held together.

    python bench/state/alignment.py [--seconds 100000] [--shards 1] [--drift-ms 60000]

Two files of the same stretch of event time are joined by time and counted by window: `dense` with twenty rows a second, `sparse` with one.
A poll of `sparse` brings many times as much event time as one of `dense`, so without a bound it is read to its end while `dense` has hardly
begun, and all its rows wait for their partners. State is read from /v1/status as the engine shows it, some ten times a second. The
answers have to be equal.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))

import running_engine
from running_engine import RunningEngine

SQL = """
CREATE SOURCE dense (ts TIMESTAMP, k INTEGER, n BIGINT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH (connector = 'file', path = 'dense.ndjson');
CREATE SOURCE sparse (ts TIMESTAMP, k INTEGER, note VARCHAR, WATERMARK FOR ts AS ts) WITH (connector = 'file', path = 'sparse.ndjson');
CREATE MATERIALIZED VIEW met AS
SELECT d.n, s.ts, s.note FROM dense AS d JOIN sparse AS s ON d.k = s.k AND d.ts BETWEEN s.ts AND s.ts + INTERVAL '10' SECOND;
CREATE VIEW merged AS SELECT ts, k FROM dense UNION ALL SELECT ts, k FROM sparse;
CREATE MATERIALIZED VIEW per_10_minutes AS
SELECT window_start, k, count(*) AS n FROM TUMBLE(TABLE merged, DESCRIPTOR(ts), INTERVAL '10' MINUTE) GROUP BY k, window_start, window_end;
"""
VIEWS = ("met", "per_10_minutes")
ROWS_PER_SECOND = 20
KEYS = 1_000


@dataclasses.dataclass
class Peak:
    """The most that was seen at one time, views left out, and how long it took."""

    state_bytes: int = 0
    state_rows: int = 0
    seconds: float = 0
    answer: tuple[object, ...] = ()


def write_inputs(project: Path, seconds: int) -> None:
    rng = random.Random(7)
    stamps = [time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1_700_000_000 + second)) for second in range(seconds)]
    with (project / "dense.ndjson").open("w") as file:
        for second, ts in enumerate(stamps):
            file.writelines(
                f'{{"ts":"{ts}","k":{rng.randrange(KEYS)},"n":{second * ROWS_PER_SECOND + row}}}\n' for row in range(ROWS_PER_SECOND)
            )
    with (project / "sparse.ndjson").open("w") as file:
        file.writelines(f'{{"ts":"{ts}","k":{rng.randrange(KEYS)},"note":"{"n" * 200}{second}"}}\n' for second, ts in enumerate(stamps))


def run(project: Path, state: Path, shards: int, drift_ms: int) -> Peak:
    (project / "headrace.toml").write_text(f'name = "alignment"\n[engine]\nsource_drift_ms = {drift_ms}\n')
    peak = Peak()
    began = time.monotonic()
    with RunningEngine(project, state, shards=shards) as engine:

        def ended() -> bool:
            status = json.loads(engine.request("GET", "/v1/status")[1])
            nodes = [node for node in status["nodes"] if node["kind"] != "view"]
            peak.state_bytes = max(peak.state_bytes, sum(node["state_bytes"] for node in nodes))
            peak.state_rows = max(peak.state_rows, sum(node["state_rows"] for node in nodes))
            return all(source["ended"] for source in status["sources"])

        running_engine.wait_until(ended, limit_s=600)
        peak.seconds = time.monotonic() - began
        peak.answer = tuple(engine.sql(f"SELECT count(*), bit_xor(hash(v))::VARCHAR FROM {view} AS v")[0] for view in VIEWS)
    return peak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=100_000, help="of event time")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--drift-ms", type=int, default=60_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        project = running_engine.write_project(Path(scratch) / "project", SQL)
        write_inputs(project, given.seconds)
        sizes = {name: (project / f"{name}.ndjson").stat().st_size / 1e6 for name in ("dense", "sparse")}
        print(f"{given.seconds:,} s of event time: " + ", ".join(f"{name} {size:,.0f} MB" for name, size in sizes.items()))
        peaks = {}
        for drift_ms in (-1, given.drift_ms):
            peak = peaks[drift_ms] = run(project, Path(scratch) / f"state{drift_ms}", given.shards, drift_ms)
            print(
                f"source_drift_ms = {drift_ms:>6}: at most {peak.state_bytes / 1e6:7.1f} MB, {peak.state_rows:>9,} rows of state; "
                f"{peak.seconds:.1f} s",
                flush=True,
            )
    apart, aligned = peaks[-1], peaks[given.drift_ms]
    print(f"answers are {'equal' if apart.answer == aligned.answer else 'NOT equal'}: {aligned.answer}")
    return 0 if apart.answer == aligned.answer and aligned.state_bytes < apart.state_bytes else 1


if __name__ == "__main__":
    sys.exit(main())
