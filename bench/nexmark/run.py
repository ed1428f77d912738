"""NEXMark q0, q1, q2, q11 and the view q5_counts: answers beside batch DuckDB, and CPU seconds per million rows of both.

    python bench/nexmark/run.py --kit ../shared/bench --events 1000000 [--pairs 7]

The kit's generator makes the data, its nexmark.sql has the queries. Both engines read the same Parquet files with one thread and write
CSV; a row of the table is the median over interleaved pairs, with the spread.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEADRACE_BIN") or ROOT / "build" / "headrace")

HOP = """SELECT w AS window_start, w + INTERVAL 10 SECOND AS window_end, auction, count(*) AS num
FROM (SELECT auction, unnest(generate_series(0, 4)) AS i, time_bucket(INTERVAL 2 SECOND, "dateTime") - i * INTERVAL 2 SECOND AS w
      FROM bid) GROUP BY ALL"""
SESSIONS = """SELECT bidder, count(*) AS bid_count, min("dateTime") AS starttime, max("dateTime") + INTERVAL 10 SECOND AS endtime
FROM (SELECT *, sum(fresh) OVER (PARTITION BY bidder ORDER BY "dateTime") AS number
      FROM (SELECT bidder, "dateTime",
                   CASE WHEN "dateTime" - lag("dateTime") OVER (PARTITION BY bidder ORDER BY "dateTime") <= INTERVAL 10 SECOND
                        THEN 0 ELSE 1 END AS fresh
            FROM bid))
GROUP BY bidder, number"""
BATCH = {
    "q0": 'SELECT auction, bidder, price, "dateTime", extra FROM bid',
    "q1": 'SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)) AS price, "dateTime", extra FROM bid',
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q5_counts": HOP,
    "q11": SESSIONS,
}


def statements(kit: Path) -> dict[str, str]:
    """Gives the kit's source of bids and its queries."""
    parts = re.split(r"^--@ (\w+)\n", (kit / "nexmark.sql").read_text(), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    source = re.search(r"CREATE SOURCE bid .*?;", found["sources"], re.DOTALL)
    view = re.search(r"CREATE VIEW q5_counts AS\s*(.*?);", found["q5"], re.DOTALL)
    assert source and view
    out = {name: re.sub(r"--[^\n]*", "", found[name]).strip().rstrip(";") for name in ("q0", "q1", "q2", "q11")}
    return {"bid": source[0], **out, "q5_counts": view[1]}


def cpu_s(command: list[str], environment: dict[str, str]) -> float:
    """Runs a command; gives the CPU seconds of its process tree."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def headrace(sql: dict[str, str], query: str, data: Path, scratch: Path) -> float:
    """Runs one query to its end on a new state directory."""
    project = scratch / query
    shutil.rmtree(project, ignore_errors=True)
    (project / "sql").mkdir(parents=True)
    sink = f"CREATE SINK out WITH (connector = 'file', path = 'out.csv', format = 'csv') AS {sql[query]};"
    (project / "sql" / "q.sql").write_text(sql["bid"] + "\n" + sink)
    return cpu_s([str(BINARY), "run", str(project), "--until-end", "--shards", "1"], {**os.environ, "DATA": str(data)})


def duckdb(query: str, data: Path, scratch: Path) -> float:
    """Runs the same as a batch."""
    code = (
        "import duckdb, sys; c = duckdb.connect(config={'threads': 1});"
        f"c.execute(\"CREATE VIEW bid AS FROM read_parquet('{data}/bid/*.parquet')\");"
        f"c.execute('''COPY ({BATCH[query]}) TO '{scratch}/{query}.batch.csv' (FORMAT csv, HEADER)''')"
    )
    return cpu_s([sys.executable, "-c", code], dict(os.environ))


def differences(query: str, scratch: Path) -> int:
    """Counts the rows that only one of the two has."""
    import duckdb as engine

    left, right = f"{scratch}/{query}/out.csv", f"{scratch}/{query}.batch.csv"
    one, other = (f"SELECT * FROM read_csv('{path}', header = true)" for path in (left, right))
    found = engine.sql(f"SELECT count(*) FROM (({one} EXCEPT ALL {other}) UNION ALL ({other} EXCEPT ALL {one}))").fetchone()
    assert found is not None
    return int(found[0])


def main() -> int:
    """Prints the table; exit status 1 when an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kit", type=Path, default=ROOT.parent / "shared" / "bench")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/headrace-nexmark"))
    arguments = parser.parse_args()
    data = arguments.scratch / f"n{arguments.events}"
    if not data.exists():
        generator = [sys.executable, str(arguments.kit / "gen_nexmark.py"), "--events", str(arguments.events), "--out", str(data)]
        subprocess.run(generator, check=True)
    sql, wrong = statements(arguments.kit), 0
    rows = arguments.events * 0.92 / 1e6
    print("query      headrace s/M rows        duckdb s/M rows   ratio  rows that differ")
    for query in BATCH:
        ours, theirs = [], []
        for _ in range(arguments.pairs):
            ours.append(headrace(sql, query, data, arguments.scratch) / rows)
            theirs.append(duckdb(query, data, arguments.scratch) / rows)
        differ = differences(query, arguments.scratch)
        wrong += differ
        mine, batch = statistics.median(ours), statistics.median(theirs)
        spread = f"{mine:6.2f} ({min(ours):.2f}-{max(ours):.2f})    {batch:6.2f} ({min(theirs):.2f}-{max(theirs):.2f})"
        print(f"{query:10} {spread} {mine / batch:7.2f}  {differ}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
