"""NEXMark: answers beside the kit's oracle, and CPU seconds per million rows beside batch DuckDB.

    python bench/nexmark/run.py q0 q1 q2 q5_counts [--events 1000000] [--pairs 7] [--shards 1]
    python bench/nexmark/run.py --check [q3 q7 ...] [--seed 2] [--ooo 1000] [--parts 2] [--shards 7]

A query is a block of the kit's nexmark.sql, or a view in one (q5_counts); without names, all of them. It runs as it stands there: the
block's views, then its last statement into a file sink with the changes that its `-- changes:` line names. What the sink holds at the
end is hashed by the oracle's rule (`canon_hash`) and held against the oracle's answer; for a view, against DuckDB over BATCH below.

Both engines read the same Parquet files and write CSV, Headrace on --shards threads and DuckDB on as many. A row of the table is the
median over interleaved pairs, with the spread. --check compares answers only, and says what the run took: CPU seconds per million rows,
wall seconds, peak memory. Exit status 1: an answer differs, or a run failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from measuring import Cost, RunFailed, cost_of, run_to_end, spread  # noqa: E402

UNSUPPORTED = "error 2006 (unsupported_sql)"

# What the oracle has no text for: the views inside blocks.
BATCH = {
    "q5_counts": """
        SELECT w AS window_start, w + INTERVAL 10 SECOND AS window_end, auction, count(*) AS num
        FROM (SELECT auction, unnest(generate_series(0, 4)) AS i, time_bucket(INTERVAL 2 SECOND, dateTime) - i * INTERVAL 2 SECOND AS w
              FROM bid) GROUP BY ALL"""
}


@dataclasses.dataclass(frozen=True)
class Query:
    """One query of the kit."""

    name: str
    views: list[str]
    """The statements before it."""
    select: str
    key: str
    """Of a result that changes: its columns; "" = rows are only added."""
    sources: list[str]


@dataclasses.dataclass(frozen=True)
class Kit:
    """The kit's folder, read."""

    sources: dict[str, str]
    queries: dict[str, Query]
    oracle: ModuleType

    def batch(self, name: str) -> str:
        """Gives the query as DuckDB answers it in one go."""
        return BATCH.get(name) or self.oracle.queries()[name]


def read_kit(folder: Path) -> Kit:
    """Reads sources and queries out of nexmark.sql, and takes the oracle in."""
    parts = re.split(r"^--@ (\w+)\n", (folder / "nexmark.sql").read_text(), flags=re.MULTILINE)
    blocks = dict(zip(parts[1::2], parts[2::2], strict=True))
    sources = dict(re.findall(r"^CREATE SOURCE (\w+)(.*?;)$", blocks.pop("sources"), re.DOTALL | re.MULTILINE))
    queries = {}
    for name, block in blocks.items():
        found = re.search(r"^-- changes: (?:append|upsert \(([^)]*)\)); reads: ([\w, ]+)$", block, re.MULTILINE)
        assert found is not None, f"block {name} does not say how its result changes"
        *views, select = [part.strip() for part in re.sub(r"--[^\n]*", "", block).split(";") if part.strip()]
        reads = re.findall(r"\w+", found[2])
        for at, view in enumerate(views):
            created = re.match(r"CREATE VIEW (\w+) AS\s", view)
            assert created is not None
            queries[created[1]] = Query(created[1], views[:at], view[created.end() :], "", reads)
        queries[name] = Query(name, views, select, found[1] or "", reads)
    spec = importlib.util.spec_from_file_location("nexmark_oracle", folder / "oracle" / "oracle.py")
    assert spec is not None and spec.loader is not None
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    return Kit(sources, queries, oracle)


def make_data(options: argparse.Namespace) -> Path:
    """Makes the data, once per choice of size, seed, order and parts."""
    data: Path = options.scratch / f"n{options.events}-seed{options.seed}-ooo{options.ooo}-parts{options.parts}"
    if not (data / "bid").exists():
        fresh = data.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        command = [sys.executable, str(options.kit / "gen_nexmark.py"), "--out", str(fresh), "--events", str(options.events)]
        command += ["--seed", str(options.seed), "--ooo", str(options.ooo), "--parts", str(options.parts)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        fresh.rename(data)
    return data


FILE = "connector = 'file', path = 'out.csv', format = 'csv'"


def write_project(kit: Kit, query: Query, options: argparse.Namespace, sink: str = FILE) -> Path:
    """Makes a project of one query on a new state directory."""
    project: Path = options.scratch / query.name
    shutil.rmtree(project, ignore_errors=True)
    (project / "sql").mkdir(parents=True)
    splits = ", splits = 'file', format = 'parquet'" if options.parts > 1 else ", format = 'parquet'"
    changes = f", changes = 'upsert', key = '{query.key}'" if query.key and sink == FILE else ""
    statements = [f"CREATE SOURCE {name}{kit.sources[name]}".replace(", format = 'parquet'", splits) for name in query.sources]
    statements += [view + ";" for view in query.views]
    statements.append(f"CREATE SINK out WITH ({sink}{changes}) AS\n{query.select};")
    (project / "sql" / "q.sql").write_text("\n".join(statements) + "\n")
    return project


def run_headrace(kit: Kit, query: Query, data: Path, options: argparse.Namespace) -> Cost:
    """Runs one query to its end."""
    return run_to_end(write_project(kit, query, options), options.shards, DATA=str(data))


def run_duckdb(kit: Kit, query: Query, data: Path, options: argparse.Namespace) -> Cost:
    """Runs the same as a batch, in a process of its own."""
    copy = f"COPY ({kit.batch(query.name)}) TO '{options.scratch}/batch.csv' (FORMAT csv, HEADER)"
    code = (
        f"import sys; sys.path.insert(0, {str(options.kit / 'oracle')!r}); import oracle\n"
        f"con = oracle.connect({str(data)!r}, {options.shards})\n"
        f"con.execute({copy!r})"
    )
    return cost_of([sys.executable, "-c", code], dict(os.environ))


def hash_of(kit: Kit, con: Any, sql: str) -> tuple[int, str]:
    """Gives the number of rows and the order-free hash of a query's answer, by the oracle's rule."""
    rows, total = con.execute(kit.oracle.HASH.format(kit.oracle.canon_sql(con, sql))).fetchone()
    return rows, f"{int(total):016x}"


def wanted_answer(kit: Kit, con: Any, query: Query, data: Path, options: argparse.Namespace) -> tuple[int, str]:
    """Gives the oracle's answer; it is worked out once per data folder."""
    if query.name in BATCH:
        return hash_of(kit, con, BATCH[query.name])
    known = data / "oracle.json"
    if not known.exists() or query.name not in json.loads(known.read_text()):
        command = [sys.executable, str(options.kit / "oracle" / "oracle.py"), str(data), query.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    answer = json.loads(known.read_text())[query.name]
    return answer["rows"], answer["hash"]


def final_rows(kit: Kit, con: Any, query: Query, options: argparse.Namespace) -> str:
    """Gives the SELECT of what the sink's file holds in the end, in the oracle's types."""
    file = options.scratch / query.name / "out.csv"
    header = file.open().readline().strip().split(",")
    names = header[1:] if query.key else header
    types = [row[1] for row in con.execute(f"DESCRIBE ({kit.batch(query.name)})").fetchall()]
    assert len(names) == len(types), f"{query.name} has columns {names}, the oracle has {len(types)}"
    columns = {f"c{at}": kind for at, kind in enumerate(types)}
    if query.key:
        columns = {"op": "VARCHAR", **columns}
    # An empty field is NULL, a quoted empty one is a text.
    rows = f"read_csv('{file}', header = true, auto_detect = false, nullstr = '', allow_quoted_nulls = false, columns = {columns})"
    if not query.key:
        return f"FROM {rows}"
    lowered = [name.lower() for name in names]
    key = ", ".join(f"c{lowered.index(name.strip().lower())}" for name in query.key.split(","))
    placed = f"SELECT *, row_number() OVER () AS place FROM {rows}"
    last = f"FROM ({placed}) QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY place DESC) = 1"
    return f"SELECT * EXCLUDE (op, place) FROM ({last}) WHERE op <> '-D'"


def verdict(kit: Kit, con: Any, query: Query, data: Path, options: argparse.Namespace) -> tuple[bool, str]:
    """Holds the sink's last content against the oracle's answer."""
    got, wanted = hash_of(kit, con, final_rows(kit, con, query, options)), wanted_answer(kit, con, query, data, options)
    if got == wanted:
        return True, f"{got[0]} rows, hash {got[1]} equal"
    return False, f"DIFFERS: {got[0]} rows, hash {got[1]}; the oracle has {wanted[0]} rows, hash {wanted[1]}"


def input_rows(con: Any, query: Query) -> int:
    """Counts the rows that the query's sources hold."""
    return sum(con.execute(f"SELECT count(*) FROM {source}").fetchone()[0] for source in query.sources)


def measured(kit: Kit, con: Any, query: Query, data: Path, options: argparse.Namespace) -> str:
    """Runs the query: once for its answer, or in pairs with DuckDB. Gives what it took."""
    millions = input_rows(con, query) / 1e6
    if options.check:
        cost = run_headrace(kit, query, data, options)
        return f"{cost.cpu_s / millions:6.2f} s/M {cost.wall_s:7.1f} s {cost.peak_mb:7.0f} MB  "
    ours, theirs = [], []
    for _ in range(options.pairs):
        ours.append(run_headrace(kit, query, data, options).cpu_s / millions)
        theirs.append(run_duckdb(kit, query, data, options).cpu_s / millions)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{spread(ours):18} {spread(theirs):18} {spread(ratios):18} "


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """Gives what every program over the kit can be told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queries", nargs="*", help="such as q0 or q5_counts (default: all)")
    parser.add_argument("--kit", type=Path, default=ROOT.parent / "shared" / "bench")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--ooo", type=int, default=1, help="rows out of order within groups of so many events")
    parser.add_argument("--parts", type=int, default=1, help="files per table, striped over time; each is a split")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/headrace-nexmark"))
    return parser


def chosen(kit: Kit, names: list[str]) -> list[str]:
    """Gives the queries that were named, or all."""
    if unknown := [name for name in names if name not in kit.queries]:
        sys.exit(f"no query is called {', '.join(unknown)}; there are {', '.join(kit.queries)}")
    return names or list(kit.queries)


def main() -> int:
    """Prints a line per query."""
    parser = argument_parser(__doc__)
    parser.add_argument("--check", action="store_true", help="compare answers only")
    options = parser.parse_args()
    kit = read_kit(options.kit)
    data = make_data(options)
    con = kit.oracle.connect(str(data))
    counts = {"equal": 0, "differ": 0, "failed": 0, "refused": 0}
    if not options.check:
        print(f"{'query':10} {'headrace s/M rows':18} {'duckdb s/M rows':18} {'ratio of pairs':18} answer")
    for name in chosen(kit, options.queries):
        query = kit.queries[name]
        try:
            figures = measured(kit, con, query, data, options)
            equal, text = verdict(kit, con, query, data, options)
            outcome = "equal" if equal else "differ"
        except RunFailed as failure:
            outcome = "refused" if UNSUPPORTED in str(failure) else "failed"
            figures, text = "", f"{outcome}: {str(failure).strip()[-600:]}"
        counts[outcome] += 1
        print(f"{name:10} {figures}{text}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["differ"] or counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
