"""The same functions in one Python process, as a user would run them by hand: pyarrow for columns, a comprehension for rows."""

from __future__ import annotations

import pathlib
import statistics
import sys
import time
from collections.abc import Callable

import pyarrow as pa

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "python"), str(HERE / "project/functions")]

import measured  # noqa: E402


def measure(name: str, rows: int, run: Callable[[], object]) -> None:
    times = []
    for _ in range(400):
        began_ns = time.perf_counter_ns()
        run()
        times.append(time.perf_counter_ns() - began_ns)
    print(
        f"bare    {name:6} {rows:6} {statistics.median(times) / 1e3:10.1f} {min(times) / 1e3:10.1f} {statistics.median(times) / rows:10.1f}"
    )


def measure_all(rows: int) -> None:
    whole = list(range(rows))
    real = [value * 0.5 for value in whole]
    text = [f"text {value}" for value in whole]
    b, c = pa.array(real), pa.array(text)
    measure("score", rows, lambda: measured.score.body(b, b))
    measure("shout", rows, lambda: measured.shout.body(c))
    measure("cents", rows, lambda: [measured.cents.body(value) for value in real])
    measure("label", rows, lambda: [measured.label.body(n, t) for n, t in zip(whole, text, strict=True)])


for size in (2048, 8192):
    measure_all(size)
