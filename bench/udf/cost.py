"""What Python functions cost in a pipeline, beside the same functions in one bare Python process and in DuckDB.

    python bench/udf/cost.py --kit ../shared/bench --events 1000000 [--pairs 7]

CPU seconds of the whole process tree per million bids, start included, median over interleaved pairs with the spread. All read the same
Parquet files; the pipeline writes to `blackhole`. `none` is the pipeline without a function: what is above it is the function's.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "nexmark"))

from run import BINARY, cpu_s, statements  # noqa: E402

CASES = {
    "none": ("SELECT price, channel, url FROM bid", None),
    "scalar": ("SELECT feat(price, channel, url) AS feature FROM bid", "scalar"),
    "vectorized": ("SELECT feat_batch(price, channel, url) AS feature FROM bid", "vector"),
    "keyed": ("SELECT * FROM Ewm(TABLE (SELECT price, bidder FROM bid) PARTITION BY bidder)", "keyed"),
    "keyed, in batches": ("SELECT * FROM EwmBatches(TABLE (SELECT price, bidder FROM bid) PARTITION BY bidder)", "keyed"),
}


def headrace(source: str, select: str, data: Path, scratch: Path, shards: int) -> float:
    project = scratch / "cost"
    shutil.rmtree(project, ignore_errors=True)
    (project / "sql").mkdir(parents=True)
    (project / "headrace.toml").write_text('[project]\nname = "cost"\n')
    shutil.copytree(ROOT / "bench" / "udf" / "cost" / "functions", project / "functions")
    (project / "sql" / "q.sql").write_text(f"{source}\nCREATE SINK out WITH (connector = 'blackhole') AS {select};")
    environment = {**os.environ, "DATA": str(data), "PYTHONPATH": str(ROOT / "python"), "HEADRACE_PYTHON": sys.executable}
    return cpu_s([str(BINARY), "run", str(project), "--until-end", "--shards", str(shards)], environment)


def peer(kit: Path, engine: str, case: str, data: Path) -> float:
    return cpu_s([sys.executable, str(kit / "peers" / "udf.py"), engine, str(data), "1", case], dict(os.environ))


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):6.2f} ({min(values):.2f}-{max(values):.2f})" if values else "     -            "


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kit", type=Path, default=ROOT.parent / "shared" / "bench")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/headrace-nexmark"))
    arguments = parser.parse_args()
    data = arguments.scratch / f"n{arguments.events}"
    if not data.exists():
        generator = [sys.executable, str(arguments.kit / "gen_nexmark.py"), "--events", str(arguments.events), "--out", str(data)]
        subprocess.run(generator, check=True)
    source = re.sub(r"--[^\n]*", "", statements(arguments.kit)["bid"])
    rows = arguments.events * 0.92 / 1e6
    print(f"{'':18} {'headrace':20} {'bare python':20} {'duckdb udf':20} ratio to bare")
    for name, (select, case) in CASES.items():
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
