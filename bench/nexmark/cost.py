"""What every NEXMark query costs here, in batch DuckDB and in Flink: CPU seconds per million input rows, and the geometric means.

    python bench/nexmark/cost.py [q0 q5 ...] [--events 1000000] [--pairs 3] [--shards 1] [--flink ~/.cache/flink-peer/bin/python]

All three read the same Parquet files and throw the result away. Headrace is measured as a process, its start included; DuckDB and Flink
by the kit's peers (peers/batch.py, peers/flink_sql.py) without theirs, Flink after a run over a tenth of the rows to warm up. --flink
names the Python of an environment with apache-flink and the jars that the kit's README lists; without it there is no third column. A cell
is the median of the rounds with the spread; in each round all run once. Exit status 1: a run failed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from measuring import RunFailed, cost_of, run_to_end, spread  # noqa: E402

from run import Kit, Query, argument_parser, chosen, input_rows, make_data, read_kit, write_project  # noqa: E402


def headrace(kit: Kit, query: Query, data: Path, rows: int, options: argparse.Namespace) -> float:
    project = write_project(kit, query, options, "connector = 'blackhole'")
    return run_to_end(project, options.shards, DATA=str(data)).cpu_s / rows * 1e6


def peer(command: list[str]) -> float:
    """Runs a peer of the kit; gives the CPU seconds per million rows of the line that it prints.

    Raises:
        RunFailed: it printed none.
    """
    said = cost_of(command, dict(os.environ)).said
    found = [json.loads(line)["cpu_s_per_M"] for line in said.splitlines() if line.startswith('{"peer"')]
    if not found:
        raise RunFailed(said[-600:])
    return float(found[-1])


def engines(kit: Kit, data: Path, warm: Path, options: argparse.Namespace) -> dict[str, Callable[[Query, int], float]]:
    """Gives what is compared: for a query and its input rows, CPU seconds per million of them."""
    peers, threads = options.kit / "peers", str(options.shards)
    out: dict[str, Callable[[Query, int], float]] = {
        "headrace": lambda query, rows: headrace(kit, query, data, rows, options),
        "duckdb": lambda query, _: peer([sys.executable, str(peers / "batch.py"), "duckdb", str(data), threads, query.name]),
    }
    if options.flink:
        flink = [str(options.flink), str(peers / "flink_sql.py"), str(data), threads]
        out["flink"] = lambda query, _: peer([*flink, query.name, "--warm", str(warm)])
    return out


def compare(query: Query, rows: int, compared: dict[str, Callable[[Query, int], float]], rounds: int) -> dict[str, list[float]]:
    """Runs the rounds of one query; an engine that fails has no values."""
    out: dict[str, list[float]] = {name: [] for name in compared}
    for name, run in [pair for _ in range(rounds) for pair in compared.items()]:
        try:
            out[name].append(run(query, rows))
        except RunFailed as failure:
            print(f"{query.name}: {name} failed: {str(failure)[-400:]}", file=sys.stderr)
    return out


def main() -> int:
    """Prints a line per query, and the means."""
    parser = argument_parser(__doc__)
    parser.add_argument("--flink", type=Path, help="Python of an environment with apache-flink")
    options = parser.parse_args()
    kit = read_kit(options.kit)
    data = make_data(options)
    warm = make_data(argparse.Namespace(**{**vars(options), "events": options.events // 10}))
    con = kit.oracle.connect(str(data))
    compared = engines(kit, data, warm, options)
    medians: dict[str, dict[str, float]] = {}
    print("".join(f"{name:20}" for name in ("query", *compared)) + "".join(f"{name:>10}" for name in list(compared)[1:]))
    # The views inside blocks are no queries of the peers.
    for name in [name for name in chosen(kit, options.queries) if name in kit.oracle.queries()]:
        query = kit.queries[name]
        found = compare(query, input_rows(con, query), compared, options.pairs)
        medians[name] = {engine: statistics.median(values) for engine, values in found.items() if values}
        cells = "".join(f"{spread(values) if values else '-':20}" for values in found.values())
        own = medians[name].get("headrace", float("nan"))
        ratios = [f"{medians[name][engine] / own:.2f}" if engine in medians[name] else "-" for engine in list(compared)[1:]]
        print(f"{name:20}{cells}" + "".join(f"{ratio:>10}" for ratio in ratios), flush=True)
    whole = [medians[name] for name in medians if len(medians[name]) == len(compared)]
    for engine in list(compared)[1:] if whole else []:
        mean = statistics.geometric_mean(max(query[engine], 0.001) / query["headrace"] for query in whole)
        print(f"{engine} / headrace, geometric mean of {len(whole)} queries: {mean:.2f}")
    return 0 if len(whole) == len(medians) else 1


if __name__ == "__main__":
    sys.exit(main())
