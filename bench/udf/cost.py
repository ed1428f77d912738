"""What Python functions cost in a pipeline, beside the same functions in one bare Python process and in other engines.

    python bench/udf/cost.py --kit ../shared/bench --events 1000000 [--pairs 7] [--cases scalar model ...]
                             [--spark ~/.cache/spark-peer/bin/python] [--flink ~/.cache/flink-peer/bin/python]
    python bench/udf/cost.py --kit ../shared/bench --scaling

CPU seconds of the whole process tree per million bids, start included, median over interleaved rounds with the spread. All read the same
Parquet files; the pipeline writes to `blackhole`. `none` is the pipeline without a function: what is above it is the function's. The
peers' programs are the kit's peers/udf.py; Spark and Flink want a Java 17 in JAVA_HOME. Bare Python is one loop over the rows, for
`vectorized` the same one as for `scalar`.

--scaling: rows a second through the scalar function, on one core with one shard and on two with two, by the wall clock: of a whole run, and
without the start, by what a run over the same files four times takes longer. The project has no models: their trials belong to the start.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "nexmark")]

from measuring import Cost, RunFailed, cost_of, run_to_end, spread  # noqa: E402

from run import make_data, read_kit  # noqa: E402

FEATURES = "ln(1 + price), auction % 97, bidder % 89, length(extra)"


@dataclasses.dataclass(frozen=True)
class Case:
    """One function: what the pipeline selects, and what the kit calls it for each peer ("" = it has none)."""

    select: str
    python: str = ""
    duckdb: str = ""
    spark: str = ""
    flink: str = ""


CASES = {
    "none": Case("SELECT price, channel, url FROM bid"),
    "scalar": Case("SELECT feat(price, channel, url) AS feature FROM bid", "scalar", "scalar", "scalar", "process:scalar"),
    "vectorized": Case("SELECT feat_batch(price, channel, url) AS feature FROM bid", "scalar", "vector", "vector", "process:vector"),
    "model, sklearn": Case(f"SELECT sklearn_score({FEATURES}) AS score FROM bid", "model", "model", "model", "process:model"),
    "model, onnx": Case(f"SELECT onnx_score({FEATURES}) AS score FROM bid", "onnx"),
    "onnx, in a worker": Case(f"SELECT onnx_score_apart({FEATURES}) AS score FROM bid", "onnx"),
    "keyed": Case("SELECT * FROM Ewm(TABLE (SELECT price, bidder FROM bid) PARTITION BY bidder)", "keyed", "", "keyed", "process:keyed"),
    "keyed, in batches": Case("SELECT * FROM EwmBatches(TABLE (SELECT price, bidder FROM bid) PARTITION BY bidder)", "keyed"),
}

MAKE_MODELS = """
import sys
sys.argv = ["udf.py", "none", ".", "1", "none"]
sys.path[:0] = [KIT + "/peers", KIT + "/oracle"]
import joblib, numpy as np, udf
from skl2onnx import to_onnx
joblib.dump(udf.model(), OUT + "/score.joblib")
onnx = to_onnx(udf.model(), np.zeros((1, 4), np.float32), options={"zipmap": False})
open(OUT + "/score.onnx", "wb").write(onnx.SerializeToString())
"""


def make_project(kit: Path, scratch: Path) -> Path:
    """Makes the project without its SQL: the functions, and the kit's model in two formats."""
    project = scratch / "cost"
    shutil.rmtree(project, ignore_errors=True)
    (project / "models").mkdir(parents=True)
    (project / "headrace.toml").write_text('name = "cost"\n')
    shutil.copytree(ROOT / "bench" / "udf" / "cost" / "functions", project / "functions")
    program = f"KIT, OUT = {str(kit)!r}, {str(project / 'models')!r}\n{MAKE_MODELS}"
    subprocess.run([sys.executable, "-c", program], check=True)
    return project


def headrace(project: Path, sql: str, data: Path, shards: int) -> Cost:
    """Runs the project with one sink over what `sql` says, from nothing."""
    for left in ("sql", ".headrace"):
        shutil.rmtree(project / left, ignore_errors=True)
    (project / "sql").mkdir()
    (project / "sql" / "q.sql").write_text(sql)
    return run_to_end(project, shards, DATA=str(data))


def sql_of(source: str, case: Case) -> str:
    return f"{source}\nCREATE SINK out WITH (connector = 'blackhole') AS {case.select};"


def measure(given: argparse.Namespace, data: Path, source: str, project: Path) -> None:
    """Prints a row per case, one column per engine."""
    rows = given.events * 0.92 / 1e6

    def peer(python: str, engine: str, case: str) -> Callable[[], Cost]:
        command = [python, str(given.kit / "peers" / "udf.py"), engine, str(data), str(given.shards), case, str(int(rows * 1e6))]
        return lambda: cost_of(command, dict(os.environ))

    names = ["headrace", "bare python", "duckdb udf", *(["pyspark"] if given.spark else []), *(["pyflink"] if given.flink else [])]
    print(f"{'':18} " + " ".join(f"{name:19}" for name in names) + " ratio to bare", flush=True)
    for name in given.cases or CASES:
        case = CASES[name]
        runs: dict[str, Callable[[], Cost]] = {"headrace": lambda case=case: headrace(project, sql_of(source, case), data, given.shards)}
        for engine, python, what in (("bare python", sys.executable, case.python), ("duckdb udf", sys.executable, case.duckdb),
                                     ("pyspark", given.spark, case.spark), ("pyflink", given.flink, case.flink)):  # fmt: skip
            if python and what:
                runs[engine] = peer(str(python), {"bare python": "python", "duckdb udf": "duckdb"}.get(engine, engine), what)
        costs: dict[str, list[float]] = {engine: [] for engine in runs}
        for turn in range(given.pairs):
            for engine, run in runs.items():
                if engine in ("pyspark", "pyflink") and turn >= given.peer_runs:
                    continue
                try:
                    costs[engine].append(run().cpu_s / rows)
                except RunFailed as failure:
                    print(f"{name}: {engine} failed: {str(failure)[-400:]}", file=sys.stderr, flush=True)
        shown = " ".join(f"{spread(costs[engine]) if costs.get(engine) else '-':19}" for engine in names)
        bare = costs.get("bare python")
        print(f"{name:18} {shown} {statistics.median(costs['headrace']) / statistics.median(bare) if bare else 0:5.2f}", flush=True)


def scale(given: argparse.Namespace, data: Path, source: str, project: Path) -> None:
    """Prints rows a second on one core and on two."""
    (project / "functions" / "scores.py").unlink()
    thousands = given.events * 0.92 / 1000
    whole: dict[int, list[float]] = {1: [], 2: []}
    beyond_start: dict[int, list[float]] = {1: [], 2: []}
    four_times = repeated(data, 4)
    cores = sorted(os.sched_getaffinity(0))
    for _ in range(given.pairs):
        for shards in whole:
            os.sched_setaffinity(0, cores[:shards])
            once_s, four_times_s = (headrace(project, sql_of(source, CASES["scalar"]), at, shards).wall_s for at in (data, four_times))
            whole[shards].append(thousands / once_s)
            beyond_start[shards].append(3 * thousands / (four_times_s - once_s))
    for name, rates in {"start included": whole, "without the start": beyond_start}.items():
        for shards, seen in rates.items():
            print(f"{name}: {shards} shards on as many cores: {spread(seen, 0)} thousand rows/s")
        print(f"{name}: {statistics.median(rates[2]) / statistics.median(rates[1]):.2f} times as many")


def repeated(data: Path, times: int) -> Path:
    """Gives a folder in which each file of bids stands several times."""
    out = data.with_name(f"{data.name}-times{times}")
    shutil.rmtree(out, ignore_errors=True)
    (out / "bid").mkdir(parents=True)
    for file in (data / "bid").iterdir():
        for number in range(times):
            os.link(file, out / "bid" / f"{number}-{file.name}")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kit", type=Path, default=ROOT.parent / "shared" / "bench")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--peer-runs", type=int, default=3, help="how often Spark and Flink run")
    parser.add_argument("--cases", nargs="+", choices=CASES, help="default: all")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--spark", type=Path, help="the Python of an environment with pyspark")
    parser.add_argument("--flink", type=Path, help="the Python of an environment with apache-flink")
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/headrace-nexmark"))
    parser.set_defaults(seed=42, ooo=1, parts=1)
    given = parser.parse_args()
    given.kit = given.kit.resolve()
    data = make_data(given)
    source = f"CREATE SOURCE bid{read_kit(given.kit).sources['bid']}"
    (scale if given.scaling else measure)(given, data, source, make_project(given.kit, given.scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
