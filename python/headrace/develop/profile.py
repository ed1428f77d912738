"""`python -m headrace.develop.profile`, which is `headrace profile`: what a function costs, and where."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import pathlib
import signal
import sys
import time
import tracemalloc
import types
from typing import Any

import pyarrow as pa

from headrace.column_types import ColumnType
from headrace.develop.flame import Stack, flame_graph, speedscope
from headrace.errors import BadConfig
from headrace.loading import FoundFunction, load_project
from headrace.repair.options import run
from headrace.worker.calling import call_types, caller_of

SAMPLE_EVERY_S = 0.001
ROWS_PER_CALL = 8192


@dataclasses.dataclass(frozen=True)
class Profile:
    """What was measured.

    Attributes:
        rows, seconds: called with so many rows, in so many seconds; `cpu_seconds` of the process.
        bytes_per_row: memory that Python's allocator holds more after a call, per row: a leak, if it stays.
        peak_bytes: the most that one call of `rows_per_call` rows held at once.
        stacks: how often each stack was seen, in samples.
    """

    rows: int
    rows_per_call: int
    seconds: float
    cpu_seconds: float
    bytes_per_row: float
    peak_bytes: int
    stacks: dict[Stack, int]


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="headrace profile", description="Measures a Python function over rows of a file.")
    parser.add_argument("function", help="its name in SQL")
    parser.add_argument("--rows", type=pathlib.Path, required=True, help=".parquet, .csv, .ndjson or .arrow with a column per argument")
    parser.add_argument("--project", type=pathlib.Path, default=pathlib.Path("."), help="the project's folder (default: here)")
    parser.add_argument("--seconds", type=float, default=5, help="how long to call it (default %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, help="names of the files to write (default: FUNCTION.svg, FUNCTION.speedscope.json)")
    options = parser.parse_args(words)
    found = find(options.project.resolve(), options.function)
    measured = measure(found, read_arguments(found, options.rows), options.seconds)
    base = options.out or pathlib.Path(found.function.name)
    svg, scope = base.with_suffix(".svg"), base.with_suffix(".speedscope.json")
    svg.write_text(flame_graph(measured.stacks, found.function.name), encoding="utf-8")
    scope.write_text(speedscope(measured.stacks, found.function.name, SAMPLE_EVERY_S), encoding="utf-8")
    print(summary(found, measured))
    print(f"flame graph: {svg}, speedscope: {scope}")
    return 0


def find(project: pathlib.Path, name: str) -> FoundFunction:
    """Finds a function of the project.

    Raises:
        BadConfig: there is none of this name (code 1001).
    """
    functions, errors = load_project(project)
    for found in functions:
        if found.function.name.lower() == name.lower():
            return found
    known = ", ".join(found.function.name for found in functions)
    raise errors[0] if errors else BadConfig(f"{project} has no function {name}", remedy=f"there are: {known}" if known else "")


def read_arguments(found: FoundFunction, path: pathlib.Path) -> list[pa.Array]:
    """The columns of a file as the function takes them, by name, else by place.

    Raises:
        BadConfig: the file is of no known kind, lacks a column, or has one that does not fit (code 1001).
    """
    table = read_table(path)
    types, _ = call_types(found.function)
    names = list(found.function.signature.parameters)
    if found.function.kind not in ("scalar", "vectorized"):
        raise BadConfig(f"{found.function.name} is no scalar or vectorized function: profile it in a test that feeds the pipeline")
    by_name = all(name in table.column_names for name in names)
    if not by_name and table.num_columns < len(names):
        raise BadConfig(f"{path} has the columns {', '.join(table.column_names)}; {found.function.name} takes {', '.join(names)}")
    return [
        _column(table.column(name if by_name else place), kind, name) for place, (name, kind) in enumerate(zip(names, types, strict=True))
    ]


def _column(column: pa.ChunkedArray, kind: ColumnType, name: str) -> pa.Array:
    try:
        cast = column.cast(kind.arrow()).combine_chunks()
    except pa.ArrowException as failure:
        raise BadConfig(f"the column for {name} is {column.type}, which does not become {kind}: {failure}") from failure
    return pa.concat_arrays(cast.chunks) if isinstance(cast, pa.ChunkedArray) else cast


def read_table(path: pathlib.Path) -> pa.Table:
    """Reads a file by its ending.

    Raises:
        BadConfig: it is of no known kind (code 1001).
    """
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_table(path)
    if path.suffix == ".csv":
        import pyarrow.csv

        return pyarrow.csv.read_csv(path)
    if path.suffix in (".ndjson", ".jsonl", ".json"):
        import pyarrow.json

        return pyarrow.json.read_json(path)
    if path.suffix in (".arrow", ".arrows", ".feather"):
        with pa.memory_map(str(path)) as source:
            reader: Any = pa.ipc.open_file(source) if path.suffix != ".arrows" else pa.ipc.open_stream(source)
            return reader.read_all()
    raise BadConfig(f"{path} is no .parquet, .csv, .ndjson or .arrow file")


def measure(found: FoundFunction, arguments: list[pa.Array], seconds: float) -> Profile:
    """Calls the function with the rows again and again: first to see its memory, then, sampled, for its time."""
    call = caller_of(found.function)
    rows = len(arguments[0]) if arguments else 1
    parts = [[pa.concat_arrays([argument.slice(at, ROWS_PER_CALL)]) for argument in arguments] for at in range(0, rows, ROWS_PER_CALL)]
    if not parts:
        raise BadConfig("the file has no rows")
    sizes = [len(part[0]) if part else 1 for part in parts]
    call(parts[0], sizes[0])  # Imports and caches of the first call.
    tracemalloc.start()
    held, _ = tracemalloc.get_traced_memory()
    call(parts[0], sizes[0])
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sampler = Sampler()
    done, started, cpu = 0, time.perf_counter(), time.process_time()
    with sampler:
        while time.perf_counter() - started < seconds:
            for part, size in zip(parts, sizes, strict=True):
                call(part, size)
                done += size
    return Profile(done, sizes[0], time.perf_counter() - started, time.process_time() - cpu, (kept - held) / sizes[0], peak - held,
                   dict(sampler.stacks))  # fmt: skip


class Sampler:
    """Notes the main thread's stack a thousand times a second of its CPU time.

    By a signal and not from another thread: that would see the places where the GIL is given up, and little else."""

    def __init__(self) -> None:
        self.stacks: collections.Counter[Stack] = collections.Counter()

    def __enter__(self) -> Sampler:
        self._before = signal.signal(signal.SIGPROF, self._note)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_EVERY_S, SAMPLE_EVERY_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self._before)

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        stack: list[str] = []
        while frame is not None:
            code = frame.f_code
            if code.co_filename == __file__:
                break  # Below it is nothing of the function's.
            stack.append(f"{code.co_qualname} ({pathlib.Path(code.co_filename).name}:{frame.f_lineno})")
            frame = frame.f_back
        self.stacks[tuple(stack[::-1])] += 1


def summary(found: FoundFunction, measured: Profile) -> str:
    per_row_ns = measured.seconds / measured.rows * 1e9
    return (
        f"{found.function.name}: {measured.rows:,} rows in {measured.seconds:.2f} s = {measured.rows / measured.seconds:,.0f} rows/s, "
        f"{per_row_ns:,.0f} ns per row ({measured.cpu_seconds / measured.rows * 1e6:.3f} CPU seconds per million rows)\n"
        f"memory: {measured.peak_bytes / measured.rows_per_call:,.0f} bytes per row at the most, "
        f"{measured.bytes_per_row:,.1f} kept after the call"
    )


if __name__ == "__main__":
    sys.exit(run(main))
