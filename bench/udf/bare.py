"""The same functions in one Python process, as a user would run them by hand: pyarrow for columns, a comprehension for rows. And the
hop alone in DuckDB: the identity as a function over Arrow columns in process, for a table of so many rows."""

from __future__ import annotations

import pathlib
import statistics
import sys
import time
from collections.abc import Callable

import duckdb
import pyarrow as pa

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "python"), str(HERE / "project/functions")]

import measured  # noqa: E402


def measure(name: str, rows: int, run: Callable[[], object], engine: str = "bare") -> None:
    times = []
    for _ in range(100):
        began_ns = time.perf_counter_ns()
        run()
        times.append(time.perf_counter_ns() - began_ns)
    median_ns = statistics.median(times)
    print(f"{engine:8} {name:8} {rows:6} {median_ns / 1e3:10.1f} {min(times) / 1e3:10.1f} {median_ns / rows:10.1f}")


def measure_all(rows: int) -> None:
    whole = list(range(rows))
    real = [value * 0.5 for value in whole]
    text = [f"text {value}" for value in whole]
    b, c = pa.array(real), pa.array(text)
    measure("score", rows, lambda: measured.score.body(b, b))
    measure("shout", rows, lambda: measured.shout.body(c))
    measure("cents", rows, lambda: [measured.cents.body(value) for value in real])
    measure("label", rows, lambda: [measured.label.body(n, t) for n, t in zip(whole, text, strict=True)])


def measure_duckdb(rows: int) -> None:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        f"CREATE TABLE t AS SELECT i AS a, i * 0.5::DOUBLE AS b, i AS c, i * 0.5::DOUBLE AS d, 'text ' || i AS e FROM range({rows}) r(i)"
    )
    for name, columns, types in (("hop", "a, b, c, d", ["BIGINT", "DOUBLE", "BIGINT", "DOUBLE"]),
                                 ("hop_text", "a, b, c, e", ["BIGINT", "DOUBLE", "BIGINT", "VARCHAR"])):  # fmt: skip
        connection.create_function(name, lambda a, b, c, d: a, types, "BIGINT", type="arrow")  # type: ignore[arg-type]
        prepared = f"SELECT sum({name}({columns})) FROM t"
        measure(name, rows, lambda query=prepared: connection.execute(query).fetchall(), "duckdb")


for size in (2048, 8192, 32_768):
    measure_all(size)
    measure_duckdb(size)
