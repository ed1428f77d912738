"""What a vectorized function adds to the time from a row's POST to its change in a view's stream.

    python bench/udf/latency.py [--rows-per-s 10000] [--seconds 5] [--pairs 7]

The measurement of bench/serve/latency.py, in turns over a view without a function and the same view with one that each row passes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench" / "serve"), str(ROOT / "tests" / "python")]

from latency import measured  # noqa: E402
from running_engine import RunningEngine, write_project  # noqa: E402

SOURCE = "CREATE SOURCE tx (marked BIGINT, card VARCHAR, amount DOUBLE) WITH (connector = 'http');\n"
VIEWS = {
    "without": "CREATE MATERIALIZED VIEW marks AS SELECT marked FROM tx WHERE marked >= 0 AND amount >= 0;",
    "with": "CREATE MATERIALIZED VIEW marks AS SELECT marked FROM (SELECT marked, scaled(amount) AS a FROM tx) WHERE marked * a >= 0;",
}
FUNCTION = """import headrace as hr
import pyarrow as pa
import pyarrow.compute as pc


@hr.function(vectorized=True, deterministic=False)
def scaled(amount: pa.DoubleArray) -> pa.DoubleArray:
    return pc.multiply(amount, 2.0)
"""


def percentiles_ms(view: str, rows_per_s: int, seconds: float) -> tuple[float, float]:
    """Gives p50 and p99 of a run on an engine of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        project = write_project(Path(scratch) / "project", SOURCE + VIEWS[view])
        (project / "functions").mkdir()
        (project / "functions" / "scaled.py").write_text(FUNCTION)
        with RunningEngine(project, Path(scratch) / "state") as engine:
            engine.post_rows("tx", [{"marked": 1 << 40, "card": "first", "amount": 1}])
            engine.wait_for("SELECT marked FROM marks", [[1 << 40]])  # The first call starts the function's process.
            sorted_ms = measured(engine, rows_per_s, seconds)
    return sorted_ms[len(sorted_ms) // 2], sorted_ms[len(sorted_ms) * 99 // 100]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows-per-s", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--pairs", type=int, default=7)
    given = parser.parse_args()
    runs: dict[str, list[tuple[float, float]]] = {view: [] for view in VIEWS}
    for _ in range(given.pairs):
        for view, figures in runs.items():
            figures.append(percentiles_ms(view, given.rows_per_s, given.seconds))
    print(f"ms, median of {given.pairs} runs (least to most) at {given.rows_per_s} rows/s")
    for at, name in enumerate(("p50", "p99")):
        for view, figures in runs.items():
            values = [figure[at] for figure in figures]
            print(f"{name} {view:8} {statistics.median(values):7.2f} ({min(values):.2f}-{max(values):.2f})")
        added = [b[at] - a[at] for a, b in zip(runs["without"], runs["with"], strict=True)]
        print(f"{name} added    {statistics.median(added):7.2f} ({min(added):.2f}-{max(added):.2f})")


if __name__ == "__main__":
    main()
