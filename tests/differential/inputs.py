"""Random sources: their declaration, their records in the order of arrival, and what of a prefix of them is in the oracle's table."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from relations import ARRAY, BIG, BOOL, DATE, DECIMAL, DOUBLE, INT, NO_WATERMARK, PAIR, TEXT, TIME, Column, Relation

TEXTS = ("a", "b", "ab", "", "Zoë", "z'q", "日本", 'x"y', "a b")
BASES = (dt.datetime(2024, 1, 1), dt.datetime(2024, 2, 28, 23, 59, 50), dt.datetime(1969, 12, 31, 23, 59, 30))
EPOCH = dt.datetime(1970, 1, 1)
MICROSECOND = dt.timedelta(microseconds=1)


@dataclass
class Record:
    """One record as it is written, what it does, and the row that it says."""

    text: str
    op: str
    row: tuple[object, ...]
    time_ms: int | None = None


@dataclass
class Source:
    """A source with its records."""

    relation: Relation
    kind: str
    """append | changelog | upsert | changelog_keyed | static"""
    delay_ms: int
    key: tuple[str, ...]
    records: list[Record] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.relation.name

    def declaration(self, path: str, mode: str) -> str:
        """Writes CREATE SOURCE."""
        relation = self.relation
        parts = [f"{column.name} {column.type}" for column in relation.columns]
        if self.key:
            parts.append(f"PRIMARY KEY ({', '.join(self.key)}) NOT ENFORCED")
        if relation.time is not None:
            parts.append(f"WATERMARK FOR {relation.time} AS {relation.time} - INTERVAL '{self.delay_ms / 1000:g}' SECOND")
        form = "changelog-ndjson" if self.kind.startswith("changelog") else "ndjson"
        options = f"connector = 'file', path = '{path}', format = '{form}', mode = '{'bounded' if self.kind == 'static' else mode}'"
        options += ", max_future = '0', poll_wait_ms = 1" if mode == "follow" and self.kind != "static" else ""
        return f"CREATE SOURCE {self.name} ({', '.join(parts)}) WITH ({options});"

    def table(self, count: int) -> tuple[list[tuple[object, ...]], int]:
        """Applies the first `count` records; gives the rows with `_seq` and `_stamp`, and the watermark that they make."""
        rows: dict[object, tuple[object, ...]] = {}
        places: dict[str, list[int]] = defaultdict(list)
        watermark = NO_WATERMARK
        for sequence, record in enumerate(self.records[:count]):
            if self.relation.time is not None and record.time_ms is None:
                continue  # Without an event time: in the quarantine.
            if self.key and record.op == "-U":
                continue  # Of rows with a key only the new one counts.
            stamped = (*record.row, sequence, watermark)
            if self.kind == "upsert" or self.key:
                key = tuple(record.row[index] for index in self.key_indices())
                rows.pop(key, None)
                if record.op in ("+I", "+U"):
                    rows[key] = stamped
            elif record.op in ("+I", "+U"):
                rows[sequence] = stamped
                places[repr(record.row)].append(sequence)
            else:
                del rows[places[repr(record.row)].pop(0)]
            if record.time_ms is not None:
                watermark = max(watermark, record.time_ms - self.delay_ms)
        return list(rows.values()), watermark

    def versions(self, count: int) -> list[tuple[object, ...]]:
        """Gives every row of the first `count` records, with `_seq` and `_stamp`."""
        return [(*record.row, sequence, NO_WATERMARK) for sequence, record in enumerate(self.records[:count])]

    def key_indices(self) -> list[int]:
        names = [column.name for column in self.relation.columns]
        return [names.index(name) for name in self.key]


def value(random: Random, column: Column) -> object:
    """Draws a value; few different ones, so that keys meet."""
    if random.random() < 0.12:
        return None
    draw = random.random()
    match column.type:
        case "INTEGER":
            return random.choice([-(2**31), 2**31 - 1, 0, -1]) if column.extreme and draw < 0.3 else random.randint(-3, 9)
        case "BIGINT":
            return random.choice([-(2**63), 2**63 - 1, 0, 2**53 + 1]) if column.extreme and draw < 0.3 else random.randint(0, 40)
        case "DOUBLE":
            return random.choice([1e300, -1e-300, 0.1, -0.0]) if column.extreme and draw < 0.3 else random.randint(-200, 200) / 4
        case "DECIMAL(12, 2)":
            return Decimal(random.randint(-9999, 99999)) / 100
        case "VARCHAR":
            return random.choice(TEXTS)
        case "BOOLEAN":
            return draw < 0.5
        case "DATE":
            return dt.date(2024, 2, 27) + dt.timedelta(days=random.randint(0, 3))
        case "INTEGER[]":
            return [random.choice([None, *range(5)]) for _ in range(random.randint(0, 3))]
        case "STRUCT(n INTEGER, name VARCHAR)":
            return {"n": random.choice([None, 1, 2]), "name": random.choice([None, "a", "a name that is longer than twelve"])}
        case "TIMESTAMP":
            return dt.datetime(2024, 1, 1) + dt.timedelta(seconds=random.randint(0, 100))
    raise ValueError(column.type)


def plain(given: object) -> object:
    """Gives a value as JSON holds it."""
    if isinstance(given, Decimal):
        return float(given)
    if isinstance(given, dt.datetime):
        return given.isoformat(sep=" ")
    return given.isoformat() if isinstance(given, dt.date) else given


def record(source: Source, op: str, row: tuple[object, ...]) -> Record:
    """Makes a record of a row."""
    fields = {column.name: plain(cell) for column, cell in zip(source.relation.columns, row, strict=True)}
    if source.kind.startswith("changelog"):
        fields = {"_op": op} | fields
    time_ms = None
    if source.relation.time is not None:
        time = row[[column.name for column in source.relation.columns].index(source.relation.time)]
        time_ms = None if time is None else (time - EPOCH) // MICROSECOND // 1000  # type: ignore[operator]
    return Record(json.dumps(fields, ensure_ascii=False), op, row, time_ms)


def random_source(random: Random, name: str, kind: str, rows: int, base: dt.datetime) -> Source:
    """Draws a source: its columns, then its records."""
    columns = [Column(f"{name}_id", BIG), Column("k", INT)]
    pool = [
        Column("g", TEXT),
        Column("v", INT),
        Column("w", BIG),
        Column("x", DOUBLE),
        Column("d", DECIMAL),
        Column("f", BOOL),
        Column("day", DATE),
        Column("big", BIG, extreme=True),
        Column("wide", DOUBLE, extreme=True),
        Column("list", ARRAY),
        Column("pair", PAIR),
    ]
    columns += random.sample(pool, random.randint(3, 7))
    timed = kind != "static" and (kind == "append" or random.random() < 0.5) and random.random() < 0.85
    if timed:
        columns.append(Column("ts", TIME))
    late = timed and kind == "append" and random.random() < 0.4
    twins = kind in ("append", "changelog") and not timed and random.random() < 0.5
    relation = Relation(
        name,
        tuple(columns),
        frozenset([name]) if timed else frozenset(),
        "ts" if timed else None,
        append=kind in ("append", "static"),
        stamped=timed,
        ordered=kind in ("append", "static"),
        late=late,
        static=kind == "static",
        unique=() if twins else (f"{name}_id",),
        versions=kind == "upsert" and timed,
    )
    keyed = kind in ("upsert", "changelog_keyed")
    source = Source(relation, kind, random.choice([0, 1000, 5000, 20000]) if timed else 0, (f"{name}_id",) if keyed else ())
    fill(random, source, rows, base, late)
    return source


def fill(random: Random, source: Source, count: int, base: dt.datetime, late: bool) -> None:
    """Draws the records. Unless `late`, no row is behind the watermark, and none is taken back that is."""
    clock = base
    alive: list[tuple[object, ...]] = []
    highest = None
    changing = source.kind != "append" and source.kind != "static"
    for number in range(count):
        clock += dt.timedelta(seconds=random.choice([0, 0, 1, 1, 2, 7, 30]), microseconds=random.choice([0, 0, 123456, 999999]))
        draw = random.random()
        # A few rows, of which one that the watermark has not passed may change.
        places = [random.randrange(len(alive)) for _ in range(6)] if changing and alive and draw < 0.45 else []
        place = next((place for place in places if not behind(source, alive[place], highest)), None)
        if place is not None:
            old = alive.pop(place)
            if draw < 0.2 and source.kind != "upsert":
                source.records.append(record(source, "-D", old))
                continue
            new = tuple(old[i] if i == 0 else cell for i, cell in enumerate(random_row(random, source, number, clock, highest, late)))
            if source.kind == "changelog":
                source.records.append(record(source, "-U", old))
            if source.kind == "changelog_keyed" and random.random() < 0.5:
                source.records.append(record(source, "-U", old))
            source.records.append(record(source, "+U", new))
        else:
            twin = not source.relation.unique and alive and draw > 0.9
            new = random.choice(alive) if twin else random_row(random, source, number, clock, highest, late)
            source.records.append(record(source, "+I", new))
        alive.append(new)
        if source.records[-1].time_ms is not None:
            highest = max(highest or NO_WATERMARK, source.records[-1].time_ms)


def behind(source: Source, row: tuple[object, ...], highest: int | None) -> bool:
    """Says whether a row's time lies behind the watermark."""
    if source.relation.time is None or highest is None:
        return False
    time = row[-1]
    return time is None or (time - EPOCH) // MICROSECOND // 1000 <= highest - source.delay_ms  # type: ignore[operator]


def random_row(random: Random, source: Source, number: int, clock: dt.datetime, highest: int | None, late: bool) -> tuple[object, ...]:
    """Draws one row; its first column numbers the rows."""
    cells = [number if index == 0 else value(random, column) for index, column in enumerate(source.relation.columns)]
    if source.relation.time is not None:
        lag = random.choice([0, 0, 0, 0.5, 1, 3, 9])
        time = clock - dt.timedelta(seconds=lag if late else min(lag, source.delay_ms / 1000))
        if not late and highest is not None:
            least = EPOCH + dt.timedelta(milliseconds=highest - source.delay_ms + 1)
            time = max(time, least)
        cells[-1] = None if source.kind == "append" and random.random() < 0.02 else time
    return tuple(cells)
