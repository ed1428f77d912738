"""What Python functions cost in a pipeline, beside the same functions in one bare Python process and in DuckDB.

    python bench/udf/cost.py --kit ../shared/bench --events 1000000 [--pairs 7] [--cases none onnx]

CPU seconds of the whole process tree per million bids, start included, median over interleaved pairs with the spread. All read the same
Parquet files; the pipeline writes to `blackhole`. `none` is the pipeline without a function: what is above it is the function's. The
model of `onnx` is the kit's: a logistic regression over four numbers; it runs in the engine, and in a worker.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "nexmark")]

from measuring import cost_of, run_to_end, spread  # noqa: E402

from run import make_data, read_kit  # noqa: E402

SCORE = "SELECT {}(ln(1 + price), auction % 97, bidder % 89, length(extra)) AS score FROM bid"
CASES = {
    "none": ("SELECT price, channel, url FROM bid", None),
    "scalar": ("SELECT feat(price, channel, url) AS feature FROM bid", "scalar"),
    "vectorized": ("SELECT feat_batch(price, channel, url) AS feature FROM bid", "vector"),
    "keyed": ("SELECT * FROM Ewm(TABLE (SELECT price, bidder FROM bid) PARTITION BY bidder)", "keyed"),
    "keyed, in batches": ("SELECT * FROM EwmBatches(TABLE (SELECT price, bidder FROM bid) PARTITION BY bidder)", "keyed"),
    "onnx": (SCORE.format("score_bid"), None),
    "onnx, in a worker": (SCORE.format("score_bid_apart"), None),
}


def write_model(path: Path) -> None:
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    rows = np.random.RandomState(0).rand(2000, 4) * [18, 97, 89, 90]
    model = LogisticRegression().fit(rows, rows[:, 0] * 3 + rows[:, 3] * 0.1 > 35)
    path.write_bytes(to_onnx(model, np.zeros((1, 4), np.float32), options={"zipmap": False}).SerializeToString())


def headrace(source: str, select: str, data: Path, scratch: Path, shards: int) -> float:
    project = scratch / "cost"
    shutil.rmtree(project, ignore_errors=True)
    (project / "sql").mkdir(parents=True)
    (project / "headrace.toml").write_text('name = "cost"\n')
    if "score_bid" in select:
        write_model(project / "bids.onnx")
    shutil.copytree(ROOT / "bench" / "udf" / "cost" / ("models" if "score_bid" in select else "functions"), project / "functions")
    (project / "sql" / "q.sql").write_text(f"{source}\nCREATE SINK out WITH (connector = 'blackhole') AS {select};")
    return run_to_end(project, shards, DATA=str(data)).cpu_s


def peer(kit: Path, engine: str, case: str, data: Path) -> float:
    return cost_of([sys.executable, str(kit / "peers" / "udf.py"), engine, str(data), "1", case], dict(os.environ)).cpu_s


def shown(values: list[float]) -> str:
    return spread(values) if values else "-"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kit", type=Path, default=ROOT.parent / "shared" / "bench")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/headrace-nexmark"))
    parser.set_defaults(seed=42, ooo=1, parts=1)
    arguments = parser.parse_args()
    data = make_data(arguments)
    source = f"CREATE SOURCE bid{read_kit(arguments.kit).sources['bid']}"
    rows = arguments.events * 0.92 / 1e6
    print(f"{'':18} {'headrace':20} {'bare python':20} {'duckdb udf':20} ratio to bare")
    for name in arguments.cases:
        select, case = CASES[name]
        ours, bare, duck = [], [], []
        for _ in range(arguments.pairs):
            ours.append(headrace(source, select, data, arguments.scratch, arguments.shards) / rows)
            if case is not None:
                bare.append(peer(arguments.kit, "python", "keyed" if case == "keyed" else "scalar", data) / rows)
            if case in ("scalar", "vector"):
                duck.append(peer(arguments.kit, "duckdb", case, data) / rows)
        ratio = f"{statistics.median(ours) / statistics.median(bare):5.2f}" if bare else ""
        print(f"{name:18} {shown(ours):20} {shown(bare):20} {shown(duck):20} {ratio}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
