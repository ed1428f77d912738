"""A function that leaks, for ten minutes at 5,000 rows/s: memory of engine and function over time, and the answers.

    python bench/udf/leak.py [--minutes 10] [--rows-per-s 5000] [--out docs/images/leak.svg]

The function keeps 2,000 bytes of every row. Its process is replaced whenever it nears its budget, and nothing may be lost: the view in the
end is compared with batch DuckDB over the rows that were sent.
"""

from __future__ import annotations

import argparse
import dataclasses
import http.client
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import duckdb
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))

import running_engine
from running_engine import RunningEngine

ROWS_PER_REQUEST = 250
BUDGET_MB = 256
SAMPLE_EVERY_S = 0.5
SQL = """
CREATE SOURCE t (n BIGINT) WITH (connector = 'http');
CREATE MATERIALIZED VIEW totals AS SELECT n % 10 AS k, count(*) AS rows, sum(leaky(n)) AS total FROM t GROUP BY n % 10;
"""
ANSWER = "SELECT k, rows, total FROM totals ORDER BY k"
ORACLE = "SELECT n % 10 AS k, count(*), sum(3 * n + 1)::BIGINT FROM range(?) AS t(n) GROUP BY k ORDER BY k"
FUNCTION = f"""
import headrace as hr

kept = []

@hr.function(memory="{BUDGET_MB} MB")
def leaky(n: int) -> int:
    kept.append(bytearray(2000))
    return 3 * n + 1
"""


@dataclasses.dataclass(frozen=True)
class Sample:
    """What was seen at one moment."""

    at_s: float
    engine_mb: float
    function_mb: float
    restarts: int


class Sampler(threading.Thread):
    """Looks at both processes until it is stopped."""

    def __init__(self, engine: RunningEngine) -> None:
        super().__init__(daemon=True)
        self.engine, self.began = engine, time.monotonic()
        self.stopping = threading.Event()
        self.samples: list[Sample] = []

    def run(self) -> None:
        assert self.engine.process is not None
        status = Path(f"/proc/{self.engine.process.pid}/status")
        while not self.stopping.wait(SAMPLE_EVERY_S):
            resident = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
            (function,) = json.loads(self.engine.request("GET", "/v1/functions")[1])["functions"]
            at_s = time.monotonic() - self.began
            self.samples.append(Sample(at_s, int(resident.split()[1]) / 1024, function["worker_bytes"] / 2**20, function["restarts"]))


def send(url: str, rows: int, rows_per_s: int) -> float:
    """Sends rows at a steady pace; gives how many a second were taken."""
    connection = http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]), timeout=60)
    began = time.monotonic()
    for first in range(0, rows, ROWS_PER_REQUEST):
        body = "".join(f'{{"n":{n}}}\n' for n in range(first, min(first + ROWS_PER_REQUEST, rows))).encode()
        time.sleep(max(0.0, began + first / rows_per_s - time.monotonic()))  # The pace is what is measured against.
        connection.request("POST", "/v1/sources/t", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"the door answered {answer.status}")
    return rows / (time.monotonic() - began)


def plot(samples: list[Sample], title: str, out: Path) -> None:
    """Draws memory over time."""
    plt.rcParams["svg.hashsalt"] = "leak"
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    times = [sample.at_s / 60 for sample in samples]
    axes.plot(times, [sample.function_mb for sample in samples], label="the function's process", color="#c2410c", linewidth=1)
    axes.plot(times, [sample.engine_mb for sample in samples], label="the engine", color="#1d4ed8", linewidth=1.6)
    axes.axhline(BUDGET_MB, color="#777777", linestyle=":", linewidth=1, label=f"budget of the function, {BUDGET_MB} MB")
    axes.set(xlabel="minutes", ylabel="resident memory, MB", title=title, ylim=(0, None), xlim=(0, None))
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, metadata={"Date": None})


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory of engine and function while the function leaks.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rows-per-s", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "docs" / "images" / "leak.svg")
    given = parser.parse_args()
    rows = int(given.minutes * 60 * given.rows_per_s)
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        project = running_engine.write_project(Path(scratch) / "project", SQL)
        (project / "functions").mkdir()
        (project / "functions" / "leaky.py").write_text(FUNCTION)
        with RunningEngine(project, Path(scratch) / "state") as engine:
            sampler = Sampler(engine)
            sampler.start()
            rate = send(engine.url, rows, given.rows_per_s)
            wanted = [list(row) for row in duckdb.execute(ORACLE, [rows]).fetchall()]
            engine.wait_for(ANSWER, wanted)
            refused = engine.sql("SELECT count(*) FROM quarantine")[0][0]
            sampler.stopping.set()
            sampler.join()
    samples = sampler.samples
    function_mb, engine_mb = [each.function_mb for each in samples], [each.engine_mb for each in samples]
    print(f"rows                    {rows:>12,} at {rate:,.0f} a second, {refused} refused; totals equal batch DuckDB")
    print(f"leaked by the function  {rows * 2000 / 2**20:>12,.0f} MB; its process was replaced {samples[-1].restarts} times")
    print(f"the function's process  {max(function_mb):>12,.0f} MB at the most")
    quarter = engine_mb[len(samples) // 4]
    print(
        f"the engine              {max(engine_mb):>12,.0f} MB at the most, {quarter:,.0f} after a quarter, {engine_mb[-1]:,.0f} in the end"
    )
    plot(samples, f"{given.rows_per_s:,} rows/s through a function that keeps 2,000 bytes of each", given.out)
    print(f"drawn: {given.out}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
