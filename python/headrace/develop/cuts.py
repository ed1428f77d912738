"""`python -m headrace.develop.cuts`, which is `headrace check --cuts`: does what a process function leaves depend on how rows are cut?

The engine hands a key's rows over in as many calls as it likes, and starts a function's process anew when it must. So the same rows are
run in several ways, and what is left must be the same: the rows given out for each key, its state and its timers.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import decimal
import json
import pathlib
import random
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from headrace.column_types import ColumnType, columns_of_documents
from headrace.develop.profile import find, read_table
from headrace.errors import BadConfig
from headrace.process import ProcessFunction
from headrace.repair.options import run
from headrace.worker.calling import caller_of
from headrace.worker.processes import process_types

ROWS = 240
KEYS = 3
SEEDS = 4
_FIRST = datetime.datetime(2026, 1, 1)
_NEVER = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Cut:
    """A way to hand rows over.

    Attributes:
        ends: where each call's rows end.
        fresh: each call finds a new process, so that nothing lives on in the instance.
    """

    name: str
    ends: tuple[int, ...]
    fresh: bool = False


@dataclasses.dataclass
class Left:
    """What is left of one key in the end; the failure of a call ends it."""

    output: list[Any] = dataclasses.field(default_factory=list)
    state: dict[str, Any] | None = None
    timers: list[Any] = dataclasses.field(default_factory=list)
    failure: str = ""


def cuts_of(rows: int) -> list[Cut]:
    """The ways that are tried: at once, in halves, row by row, row by row with a new process each, and by chance."""
    each = tuple(range(1, rows + 1))
    found = [Cut("all rows at once", (rows,)), Cut("in two halves", (rows // 2, rows)), Cut("row by row", each)]
    found.append(Cut("row by row, each in a new process", each, fresh=True))
    for seed in range(SEEDS):
        chance = random.Random(seed)
        found.append(Cut(f"cut by chance ({seed})", (*sorted(chance.sample(range(1, rows), min(rows - 1, 4 + 8 * seed))), rows)))
    return found


def made_rows(columns: dict[str, ColumnType], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of these columns by chance: a few keys, times that go on, small numbers."""
    chance = random.Random(1)
    names = {key.lower() for key in keys}
    return [
        {name: _value(kind, number, chance, KEYS if name.lower() in names else 0) for name, kind in columns.items()}
        for number in range(ROWS)
    ]


def _value(kind: ColumnType, number: int, chance: random.Random, few: int) -> Any:
    drawn = chance.randrange(few or 100)
    match kind.name:
        case "BOOLEAN":
            return drawn % 2 == 0
        case "VARCHAR":
            return f"{'abcdefghij'[drawn % 10]}{drawn // 10 or ''}"
        case "BLOB":
            return bytes([drawn])
        case "FLOAT" | "DOUBLE":
            return drawn / 4
        case "DECIMAL":
            return decimal.Decimal(drawn % 10 ** min(kind.precision - kind.scale, 2))
        case "TIMESTAMP" | "TIMESTAMPTZ":
            at = _FIRST + datetime.timedelta(seconds=drawn if few else 7 * number)
            return at.replace(tzinfo=datetime.UTC) if kind.name == "TIMESTAMPTZ" else at
        case "DATE":
            return (_FIRST + datetime.timedelta(days=drawn if few else number // 50)).date()
        case "TIME":
            return datetime.time(drawn % 24)
        case "LIST":
            return [_value(kind.inner[0][1], number, chance, 0) for _ in range(drawn % 3)]
        case "MAP":
            return [(_value(kind.inner[0][1], number, chance, 1), _value(kind.inner[1][1], number, chance, 0))]
        case "STRUCT":
            return {name: _value(inner, number, chance, 0) for name, inner in kind.inner}
        case _:
            return drawn


def stamps_of(columns: dict[str, ColumnType], rows: Sequence[dict[str, Any]]) -> list[int]:
    """The watermark before each row, and behind the last: the latest time of the first TIMESTAMP column so far."""
    time = next((name for name, kind in columns.items() if kind.name == "TIMESTAMP"), None)
    stamps, latest = [], -_NEVER
    for row in rows:
        stamps.append(latest)
        if time is not None and row[time] is not None:
            latest = max(latest, (row[time] - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1))
    return [*stamps, latest]


def outcome(function: ProcessFunction, columns: dict[str, ColumnType], rows: Sequence[dict[str, Any]], cut: Cut) -> dict[Any, Left]:
    """Runs all rows, cut this way; gives what is left of each key."""
    types, _ = process_types(function, columns)
    lower = {name.lower(): name for name in columns}
    key_columns = [lower[key.lower()] for key in function.signature.key]
    stamps = stamps_of(columns, rows)
    found: dict[Any, Left] = {}
    call = caller_of(function, columns)
    begin = 0
    for end in cut.ends:
        if cut.fresh:
            call = caller_of(function, columns)
        groups: dict[Any, list[int]] = collections.defaultdict(list)
        for number in range(begin, end):
            groups[tuple(rows[number][name] for name in key_columns)].append(number)
        for key, numbers in groups.items():
            left = found.setdefault(key, Left())
            if left.failure:
                continue
            state = left.state or dict.fromkeys(function.signature.state)
            given = [rows[number] for number in numbers]
            values = [*key, state, left.timers, given, [stamps[number] for number in numbers], stamps[end]]
            arguments = [pa.array([value], kind.arrow()) for value, kind in zip(values, types, strict=True)]
            try:
                (answer,) = call(arguments, 1).to_pylist()
            except Exception as failure:
                left.failure = f"{type(failure).__name__}: {failure}"
                continue
            left.output += answer["output"]
            left.state, left.timers = answer["state"], answer["timers"]
        begin = end
    return found


def differences(function: ProcessFunction, columns: dict[str, ColumnType], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Says where what is left depends on the cut, at most once per way; [] = nowhere."""
    first, *others = cuts_of(len(rows))
    wanted = outcome(function, columns, rows, first)
    found = []
    for cut in others:
        got = outcome(function, columns, rows, cut)
        for key, expected in wanted.items():
            if text := _difference(expected, got[key]):
                found.append(f"{function.name}, key {', '.join(map(str, key))}, {first.name} and {cut.name}: {text}")
                break
    return found


def _difference(one: Left, other: Left) -> str:
    if bool(one.failure) != bool(other.failure):
        return f"fails only {'at once' if one.failure else 'cut'}: {one.failure or other.failure}"
    if one.failure:  # Which rows went before it is the cut's affair.
        return ""
    for number, (a, b) in enumerate(zip(one.output, other.output, strict=False), 1):
        if a != b:
            return f"row {number} given out is {a} and {b}"
    if len(one.output) != len(other.output):
        return f"{len(one.output)} and {len(other.output)} rows are given out"
    if one.state != other.state:
        return f"the state in the end is {one.state} and {other.state}"
    return "" if one.timers == other.timers else f"the timers in the end are {one.timers} and {other.timers}"


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="headrace check --cuts", description="Runs process functions over several cuts of rows.")
    parser.add_argument("--project", type=pathlib.Path, required=True)
    parser.add_argument("--calls", required=True, help="JSON: which functions over which columns, by which interpreter")
    parser.add_argument("--rows", type=pathlib.Path, help="rows of a file instead of rows by chance")
    options = parser.parse_args(words)
    calls = json.loads(options.calls)
    wrong = 0
    for call in calls:
        if call["python"] not in ("", sys.executable):  # An environment of its own.
            given = [] if options.rows is None else ["--rows", str(options.rows)]
            command = [call["python"], "-m", "headrace.develop.cuts", "--project", str(options.project), *given]
            wrong += subprocess.run([*command, "--calls", json.dumps([call])], check=False).returncode != 0
            continue
        function = find(options.project.resolve(), call["function"]).function
        assert isinstance(function, ProcessFunction)
        columns = columns_of_documents(call["rows"])
        rows = made_rows(columns, function.signature.key) if options.rows is None else rows_of(options.rows, columns)
        found = differences(function, columns, rows)
        wrong += bool(found)
        for line in found:
            print(line)
        if not found:
            print(f"{function.name}: the same in {len(cuts_of(len(rows)))} cuts of {len(rows)} rows")
    if not calls:
        print("no process function is called")
    return 1 if wrong else 0


def rows_of(path: pathlib.Path, columns: dict[str, ColumnType]) -> list[dict[str, Any]]:
    """The rows of a file as these columns.

    Raises:
        BadConfig: it has fewer than two rows, lacks a column, or has one that does not fit (code 1001).
    """
    table = read_table(path)
    missing = [name for name in columns if name not in table.column_names]
    if missing or len(table) < 2:
        raise BadConfig(f"{path} has no column {missing[0]}" if missing else f"{path} has no two rows to cut between")
    try:
        wanted = pa.schema([(name, kind.arrow()) for name, kind in columns.items()])
        return list(table.select(list(columns)).cast(wanted).to_pylist())
    except pa.ArrowException as failure:
        raise BadConfig(f"the columns of {path} do not fit: {failure}") from failure


if __name__ == "__main__":
    sys.exit(run(main))
