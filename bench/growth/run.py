"""How cost grows: CPU seconds per million input rows against one thing that grows, as plots in docs/growth.

    python bench/growth/run.py [width keys queries disorder cap] [--rows 2000000] [--rounds 5] [--shards 1] [--plots docs/growth]

width      HOP windows of 1 to 1,000 slides, 100 keys                  aim: 1.3 times one slide
keys       GROUP BY over 1,000 to 10,000,000 keys, each seen in turn   aim: 6 times a thousand keys
queries    1 to 100 filtered tumbling windows over one stream          aim: 3 times one query
disorder   0 to 20 % of the rows late by up to 4 s of 5 s allowed      aim: 1.5 times in order
cap        GROUP BY whose state is 0.1 to 10 times its memory cap      aim: 3 times what fits

Every curve is measured in rounds: all its points once, then all again, so that a slow minute of the machine is in all of them. Printed
are the median with the spread, the ratio to the first point, and the rows that the query gave out for a million that it took in. Results
go to `blackhole`; the start of the process is part of it. Exit status 1: a ratio misses its aim.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from measuring import run_to_end, spread  # noqa: E402

SOURCE = """
CREATE SOURCE events (key BIGINT, value BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH (connector = 'file', path = '${DATA}', format = 'parquet', mode = 'bounded');
"""
SINK = "CREATE SINK out{} WITH (connector = 'blackhole') AS {};\n"
PER_KEY = "SELECT key, window_start, count(*) AS n, sum(value) AS total FROM {} GROUP BY key, window_start, window_end"
TUMBLE = "TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)"
BYTES_PER_KEY = 100
"""Of the state of `caps`, about: a row and its share of the index."""
ROWS_PER_S = 1000
"""Rows in a second of event time."""


@dataclasses.dataclass(frozen=True)
class Point:
    """One value of what grows, and what is run at it."""

    at: float
    sql: str
    rows: int
    key: str = "i % 100"
    """Of row i."""
    time_ms: str = f"i * 1000 // {ROWS_PER_S}"
    """The event time of row i."""
    settings: str = ""
    """Of headrace.toml, table engine."""

    def data(self, folder: Path) -> Path:
        """Makes the rows, once."""
        name = re.sub(r"\W+", "_", f"{self.rows} {self.key} {self.time_ms}")
        file = folder / f"{name}.parquet"
        if not file.exists():
            time = f"make_timestamp(({self.time_ms})::BIGINT * 1000)"
            columns = f"({self.key})::BIGINT AS key, (hash(i) % 1000)::BIGINT AS value, {time} AS ts"
            duckdb.sql(f"COPY (SELECT {columns} FROM range({self.rows}) AS rows(i)) TO '{file}.new' (FORMAT parquet)")
            file.with_name(file.name + ".new").rename(file)
        return file


@dataclasses.dataclass(frozen=True)
class Curve:
    """One thing that grows."""

    name: str
    grows: str
    aim: float
    """How many times the first point's cost the others may have."""
    points: Callable[[int], Sequence[Point]]
    """Made for so many rows."""


def widths(rows: int) -> Sequence[Point]:
    def sql(width: int) -> str:
        return SINK.format("", PER_KEY.format(f"HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '{width}' SECOND)"))

    return [Point(width, sql(width), rows) for width in (1, 3, 10, 30, 100, 300, 1000)]


def keys(rows: int) -> Sequence[Point]:
    sql = SINK.format("", "SELECT key, count(*) AS n, sum(value) AS total FROM events GROUP BY key")
    # Steps of a prime through all the keys, so that neighbours in time are not neighbours in the table.
    return [Point(count, sql, max(rows, 2 * count), f"i * 7919 % {count}") for count in (1_000, 10_000, 100_000, 1_000_000, 10_000_000)]


def queries(rows: int) -> Sequence[Point]:
    def sql(count: int) -> str:
        select = f"SELECT window_start, count(*) AS n, sum(value) AS total FROM {TUMBLE} WHERE key = {{}} GROUP BY window_start, window_end"
        return "".join(SINK.format(number, select.format(number)) for number in range(count))

    return [Point(count, sql(count), rows) for count in (1, 3, 10, 30, 100)]


def disorder(rows: int) -> Sequence[Point]:
    def time_ms(percent: int) -> str:
        late = f"CASE WHEN hash(i + 1) % 100 < {percent} THEN hash(i + 2) % 4000 ELSE 0 END"
        return f"greatest(i * 1000 // {ROWS_PER_S} - {late}::BIGINT, 0)"

    return [Point(percent, SINK.format("", PER_KEY.format(TUMBLE)), rows, "i % 1000", time_ms(percent)) for percent in (0, 1, 2, 5, 10, 20)]


def caps(rows: int) -> Sequence[Point]:
    count = rows // 2
    sql = SINK.format("", "SELECT key, count(*) AS n, sum(value) AS total FROM events GROUP BY key")
    state_bytes = count * BYTES_PER_KEY
    return [
        Point(times, sql, rows, f"i * 7919 % {count}", settings=f"state_memory_bytes = {int(state_bytes / times)}")
        for times in (0.1, 0.3, 1, 3, 10)
    ]


CURVES = [
    Curve("width", "window width in slides", 1.3, widths),
    Curve("keys", "keys", 6, keys),
    Curve("queries", "queries over one stream", 3, queries),
    Curve("disorder", "rows out of order, %", 1.5, disorder),
    Curve("cap", "state, times the memory cap", 3, caps),
]


def run(point: Point, options: argparse.Namespace) -> tuple[float, float]:
    """Runs one point; gives CPU seconds and rows out per million rows in."""
    project: Path = options.scratch / "project"
    shutil.rmtree(project, ignore_errors=True)
    (project / "sql").mkdir(parents=True)
    (project / "sql" / "q.sql").write_text(SOURCE + point.sql)
    (project / "headrace.toml").write_text(f"[engine]\n{point.settings}\n")
    cost = run_to_end(project, options.shards, DATA=str(point.data(options.scratch)))
    out = sum(int(number.replace(",", "")) for number in re.findall(r"^sink \S+ .*?([\d,]+) rows written", cost.said, re.MULTILINE))
    return cost.cpu_s / point.rows * 1e6, out / point.rows * 1e6


def measure(curve: Curve, options: argparse.Namespace) -> bool:
    """Measures one curve, prints it and draws it; tells whether the aim is met."""
    points = curve.points(options.rows)
    costs: list[list[float]] = [[] for _ in points]
    out = [0.0 for _ in points]
    for _ in range(options.rounds):
        for at, point in enumerate(points):
            cost, out[at] = run(point, options)
            costs[at].append(cost)
    medians = [statistics.median(found) for found in costs]
    print(f"\n{curve.grows:>24}  {'CPU s per million rows':24} {'ratio':>6}  rows out per million   (aim: {curve.aim} times)")
    for at, point in enumerate(points):
        print(f"{point.at:>24,}  {spread(costs[at], 3):24} {medians[at] / medians[0]:>6.2f}  {out[at]:>20,.0f}", flush=True)
    plot(curve, [point.at for point in points], costs, options.plots / f"{curve.name}.svg")
    return max(medians) <= curve.aim * medians[0]


def plot(curve: Curve, at: Sequence[float], costs: Sequence[Sequence[float]], file: Path) -> None:
    """Draws the medians with their spread and the aim."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": curve.name, "font.size": 11})
    from matplotlib import pyplot

    medians = [statistics.median(found) for found in costs]
    below = [median - min(found) for median, found in zip(medians, costs, strict=True)]
    above = [max(found) - median for median, found in zip(medians, costs, strict=True)]
    figure, axes = pyplot.subplots(figsize=(6.4, 3.6))
    axes.errorbar(at, medians, yerr=(below, above), marker="o", capsize=3)
    axes.axhline(curve.aim * medians[0], linestyle="--", color="tab:gray", label=f"aim: {curve.aim} times the first")
    if at[0] > 0:
        axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(curve.grows)
    axes.set_ylabel("CPU s per million rows")
    axes.legend(loc="lower right")
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", nargs="*", help="such as width (default: all)")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--plots", type=Path, default=ROOT / "docs" / "growth")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/headrace-growth"))
    options = parser.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    known = {curve.name: curve for curve in CURVES}
    if unknown := set(options.curves) - set(known):
        sys.exit(f"no curve is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    missed = [name for name in options.curves or known if not measure(known[name], options)]
    print(f"\n{'the aim is missed: ' + ', '.join(missed) if missed else 'every aim is met'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
