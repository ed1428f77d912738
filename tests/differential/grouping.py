"""GROUP BY in all its forms: aggregates with DISTINCT, FILTER and HAVING, grouping sets, DISTINCT, windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from expressions import Expressions
from relations import (
    ARRAY,
    BIG,
    BOOL,
    DATE,
    DECIMAL,
    DOUBLE,
    INT,
    PAIR,
    TEXT,
    TIME,
    Column,
    Names,
    Relation,
    View,
    pick,
    renamed,
    select_list,
    some,
)

Relations = Sequence[Relation]
KEY_TYPES = (INT, BIG, TEXT, BOOL, DATE, DECIMAL, DOUBLE, PAIR)


@dataclass
class Aggregate:
    """One aggregate as both sides write it."""

    engine: str
    oracle: str
    column: Column
    word: str


def aggregates(random: Random, relation: Relation, names: Names, at_most: int = 4) -> list[Aggregate]:
    """Draws some aggregates over a relation."""
    return [aggregate(random, relation, names) for _ in range(random.randint(1, at_most))]


def aggregate(random: Random, relation: Relation, names: Names) -> Aggregate:
    """Draws one."""
    expressions = Expressions(random, relation.columns)
    choice = random.choice(
        ["count", "count", "sum", "sum", "sum", "avg", "min", "max", "bool", "distinct", "median", "list", "first", "arg", "deviation"]
    )
    integer = expressions.integer(1) if random.random() < 0.4 else expressions.a_column(INT, BIG, calm=True) or "1"
    number, sum_type = random.choice(
        [(f"CAST({integer} AS BIGINT)", BIG), (expressions.double(1), DOUBLE), (expressions.decimal(0), "DECIMAL(38, 2)")]
    )
    anything = [column for column in relation.columns if not column.near and column.type != ARRAY]
    some_column = random.choice(anything) if anything else Column("1", INT)
    filtered = f" FILTER (WHERE {expressions.condition(1)})" if random.random() < 0.25 else ""
    near, kind, word = False, BIG, choice
    if choice == "count":
        text = "count(*)" if random.random() < 0.5 else f"count({some_column.name})"
    elif choice == "sum":
        text, kind = f"sum({number})", sum_type
    elif choice == "avg":
        text, kind, near = f"avg({number})", DOUBLE, True
    elif choice in ("min", "max"):
        text, kind = f"{choice}({some_column.name})", some_column.type
    elif choice == "bool":
        word = random.choice(["bool_and", "bool_or"])
        text, kind = f"{word}({expressions.condition(1)})", BOOL
    elif choice == "distinct":
        inner = random.choice(["count", "sum"])
        word = f"{inner}(DISTINCT)"
        text = f"count(DISTINCT {some_column.name})" if inner == "count" else f"sum(DISTINCT CAST({integer} AS BIGINT))"
    elif choice == "median":
        word = random.choice(["median", "quantile_cont"])
        text = f"median({integer})" if word == "median" else f"quantile_cont({integer}, {random.choice([0.25, 0.9])})"
        kind, near = DOUBLE, True
    elif choice == "list":
        word = random.choice(["list", "string_agg"])
        value = f"CAST({integer} AS INTEGER)"
        order = f"{relation.unique[0]} DESC" if relation.unique and random.random() < 0.4 else f"{value} NULLS FIRST"
        text = f"list({value} ORDER BY {order})" if word == "list" else f"string_agg(CAST({value} AS VARCHAR), ',' ORDER BY {order})"
        kind = "INTEGER[] " if word == "list" else TEXT
    elif choice == "first" and relation.ordered and relation.append:
        word = random.choice(["first", "last"])
        # Not "a": a struct of that name would stand before the relation that is called so.
        column = Column(names.fresh("edge"), some_column.type, some_column.extreme)
        inner = f"{word}({some_column.name}{{}})"
        return Aggregate(
            f"{inner.format('')}{filtered} AS {column.name}", f"{inner.format(' ORDER BY _seq')}{filtered} AS {column.name}", column, word
        )
    elif choice == "arg" and relation.unique:
        word = random.choice(["arg_min", "arg_max"])
        by = relation.unique[0]
        text, kind = f"{word}({some_column.name}, {by})", some_column.type
        filtered = f" FILTER (WHERE {some_column.name} IS NOT NULL)"
    elif choice == "deviation":
        word = random.choice(["stddev_pop", "var_samp"])
        text, kind, near = f"{word}({integer})", DOUBLE, True
    else:
        text = "count(*)"
    column = Column(names.fresh("a"), kind, some_column.extreme if choice in ("min", "max", "arg") else False, near)
    written = f"{text}{filtered} AS {column.name}"
    return Aggregate(written, written, column, word + (" FILTER" if filtered else ""))


def having(random: Random, made: Sequence[Aggregate]) -> str:
    """Draws a HAVING over an aggregate that is there."""
    if random.random() > 0.25:
        return ""
    counted = [a for a in made if a.column.type == BIG and not a.column.near]
    return f" HAVING {random.choice(counted).column.name} {random.choice(['>', '<>', '<='])} {random.randint(0, 6)}" if counted else ""


def keys_of(random: Random, relation: Relation, at_most: int, at_least: int = 0) -> list[Column]:
    return some(random, [c for c in relation.columns if c.type in KEY_TYPES and not c.near], at_most, at_least)


def group_by(random: Random, name: str, relations: Relations) -> View | None:
    """A plain GROUP BY, over anything."""
    relation = pick(random, (r for r in relations if not r.static))
    if relation is None:
        return None
    keys = keys_of(random, relation, 2)
    names = Names({column.name for column in relation.columns})
    made = aggregates(random, relation, names)
    group = f" GROUP BY {', '.join(key.name for key in keys)}" if keys else ""
    condition = having(random, made)
    parts = tuple(a.word for a in made) + (("HAVING",) if condition else ())
    items = [key.name for key in keys]
    return View(
        Relation(
            name,
            (*keys, *(a.column for a in made)),
            append=False,
            settled=relation.settled,
            identity=tuple(items),
            depth=relation.depth + 1,
        ),
        "GROUP BY",
        f"SELECT {', '.join(items + [a.engine for a in made])} FROM {relation.name}{group}{condition}",
        f"SELECT {', '.join(items + [a.oracle for a in made])} FROM {relation.name}{group}{condition}",
        (relation.name,),
        parts,
    )


def grouping_sets(random: Random, name: str, relations: Relations) -> View | None:
    """GROUPING SETS, ROLLUP, CUBE."""
    relation = pick(random, (r for r in relations if not r.static))
    keys = keys_of(random, relation, 3, 2) if relation is not None else []
    if relation is None or len(keys) < 2:
        return None
    words = [key.name for key in keys]
    form = random.choice(["ROLLUP", "CUBE", "SETS"])
    group = f"{form} ({', '.join(words)})" if form != "SETS" else f"GROUPING SETS (({', '.join(words)}), ({words[0]}), ({words[-1]}), ())"
    names = Names(set(words) | {column.name for column in relation.columns})
    made = aggregates(random, relation, names, 2)
    mark = names.fresh("grouped")
    marks = f"GROUPING({words[0]}) AS {mark}, " if random.random() < 0.4 else ""
    columns = ([Column(mark, BIG)] if marks else []) + [*keys, *(a.column for a in made)]
    sql = f"SELECT {marks}{', '.join(words)}, {{}} FROM {relation.name} GROUP BY {group}"
    return View(
        Relation(name, tuple(columns), append=False, settled=relation.settled, depth=relation.depth + 1),
        "GROUPING SETS",
        sql.format(", ".join(a.engine for a in made)),
        sql.format(", ".join(a.oracle for a in made)),
        (relation.name,),
        (form, *(a.word for a in made)),
    )


def distinct(random: Random, name: str, relations: Relations) -> View | None:
    """SELECT DISTINCT."""
    relation = pick(random, (r for r in relations if not r.static))
    keys = keys_of(random, relation, 3, 1) if relation is not None else []
    if relation is None or not keys:
        return None
    sql = f"SELECT DISTINCT {', '.join(key.name for key in keys)} FROM {relation.name}"
    return View(
        Relation(name, tuple(keys), append=relation.append, settled=relation.settled, depth=relation.depth + 1),
        "DISTINCT",
        sql,
        sql,
        (relation.name,),
    )


# ---- Windows ----


@dataclass
class Window:
    """A window function over a relation: the call, and the oracle's rows with window_start, window_end and window_time."""

    kind: str
    call: str
    oracle: str
    parts: tuple[str, ...]


SECONDS = (1, 2, 5, 7, 10, 30, 60)


def interval(milliseconds: int) -> str:
    return f"INTERVAL '{milliseconds / 1000:g}' SECOND"


def random_window(random: Random, relation: Relation, keys: Sequence[Column], kind: str | None = None) -> Window:
    """Draws a window function. In the oracle each row stands once per window that took it."""
    kind = kind or random.choice(["TUMBLE", "HOP", "HOP", "CUMULATE", "SESSION"])
    # A row exactly the gap behind its session is late where the watermark stands close behind each row, as above OVER (docs/design/0030).
    if kind == "SESSION" and (relation.late or not relation.settled):
        kind = "TUMBLE"
    assert relation.time is not None
    source, descriptor, at = f"TABLE {relation.name}", f"DESCRIPTOR({relation.time})", f"ms({relation.time})"
    offset = random.choice([0, 0, 3000, -2000, 500, 86_400_000 + 1000])
    suffix = f", {interval(offset)}" if offset else ""
    parts = (kind,) + (("offset",) if offset and kind != "SESSION" else ())
    if kind == "SESSION":
        gap = random.choice(SECONDS) * 1000
        partition = f" PARTITION BY {', '.join(key.name for key in keys)}" if keys else ""
        over = f"PARTITION BY {', '.join(key.name for key in keys)} " if keys else ""
        chained = f"SELECT *, CASE WHEN {at} - lag({at}) OVER ({over}ORDER BY {at}) <= {gap} THEN 0 ELSE 1 END AS _new FROM {relation.name}"
        numbered = f"SELECT *, sum(_new) OVER ({over}ORDER BY {at} RANGE UNBOUNDED PRECEDING) AS _session FROM ({chained})"
        whole = f"OVER (PARTITION BY {', '.join([*(key.name for key in keys), '_session'])})"
        return Window(
            kind,
            f"SESSION({source}{partition}, {descriptor}, {interval(gap)})",
            windows_of(f"min({at}) {whole}", f"max({at}) {whole} + {gap}", f"({numbered})", late="false"),
            parts,
        )
    size = random.choice(SECONDS) * 1000
    if kind == "TUMBLE":
        start = f"floor_to({at}, {size}, {offset})"
        return Window(
            kind,
            f"TUMBLE({source}, {descriptor}, {interval(size)}{suffix})",
            windows_of(start, f"{start} + {size}", relation.name),
            parts,
        )
    if kind == "HOP":
        slide = random.choice([s * 1000 for s in SECONDS if s * 1000 <= size] + [size * 2])
        last = f"floor_to({at}, {slide}, {offset})"
        rows = f"(SELECT *, {last} - _i * {slide} AS _start FROM {relation.name}, range(0, {-(-size // slide)}) AS _n(_i))"
        rows = f"(SELECT * FROM {rows} WHERE _start + {size} > {at})"
        return Window(
            kind,
            f"HOP({source}, {descriptor}, {interval(slide)}, {interval(size)}{suffix})",
            windows_of("_start", f"_start + {size}", rows),
            parts,
        )
    step = random.choice([s * 1000 for s in SECONDS if size % (s * 1000) == 0])
    start = f"floor_to({at}, {size}, {offset})"
    rows = f"(SELECT *, {start} AS _start, {start} + (_i + 1) * {step} AS _end FROM {relation.name}, range(0, {size // step}) AS _n(_i))"
    rows = f"(SELECT * FROM {rows} WHERE _end > {at})"
    return Window(
        kind,
        f"CUMULATE({source}, {descriptor}, {interval(step)}, {interval(size)}{suffix})",
        windows_of("_start", "_end", rows),
        parts,
    )


def windows_of(start: str, end: str, rows: str, late: str = "") -> str:
    """Writes the rows with their windows' columns, without those that came too late for the window."""
    late = late or "_end_ms - 1 <= _stamp"
    return (
        f"(SELECT *, moment(_start_ms) AS window_start, moment(_end_ms) AS window_end, moment(_end_ms - 1) AS window_time "
        f"FROM (SELECT *, {start} AS _start_ms, {end} AS _end_ms FROM {rows}) WHERE NOT ({late}))"
    )


def windowed(random: Random, name: str, relations: Relations) -> View | None:
    """GROUP BY with a window: a result when the window closes."""
    relation = pick(random, (r for r in relations if r.time is not None and r.stamped and not r.window))
    if relation is None:
        return None
    keys = keys_of(random, relation, 2)
    window = random_window(random, relation, keys)
    names = Names({column.name for column in relation.columns} | {"window_start", "window_end", "window_time"})
    made = aggregates(random, relation, names)
    condition = having(random, made)
    ends = random.choice([["window_start", "window_end"], ["window_start", "window_end", "window_time"], ["window_end"], ["window_start"]])
    sets = len(keys) == 2 and window.kind != "SESSION" and random.random() < 0.25
    words = [key.name for key in keys]
    group = ["window_start", "window_end", *(["window_time"] if "window_time" in ends else [])]
    group += [f"GROUPING SETS (({', '.join(words)}), ({words[0]}), ())"] if sets else words
    updates = random.random() < 0.2
    closed = "" if updates else " WHERE epoch_us(window_end) // 1000 - 1 <= {watermark}"
    items = words + ends
    sql = f"SELECT {{}} FROM {{}} GROUP BY {', '.join(group)}{condition}"
    columns = (*keys, *(Column(end, TIME) for end in ends), *(a.column for a in made))
    out = Relation(
        name,
        columns,
        relation.sources,
        "window_time" if "window_time" in ends and not updates else None,
        append=not updates,
        stamped="window_time" in ends and not updates,
        settled=relation.settled,
        window=not updates and "window_start" in ends and "window_end" in ends,
        identity=(*words, *ends) if "window_end" in ends and not sets else (),
        depth=relation.depth + 1,
    )
    stamp = [f"{-(2**62)}::BIGINT AS _stamp"] if out.stamped else []
    return View(
        out,
        f"window {window.kind}",
        sql.format(", ".join(items + [a.engine for a in made]), window.call) + (" EMIT ON UPDATE" if updates else ""),
        sql.format(", ".join(items + [a.oracle for a in made] + stamp), f"(SELECT * FROM {window.oracle}{closed})"),
        (relation.name,),
        window.parts
        + tuple(a.word for a in made)
        + (("HAVING",) if condition else ())
        + (("GROUPING SETS in a window",) if sets else ())
        + (("EMIT ON UPDATE",) if updates else ()),
    )


def window_rows(random: Random, name: str, relations: Relations) -> View | None:
    """The rows of a window function as they are."""
    relation = pick(random, (r for r in relations if r.time is not None and r.stamped and not r.late and not r.window and r.append))
    if relation is None:
        return None
    window = random_window(random, relation, [], random.choice(["TUMBLE", "HOP", "CUMULATE"]))
    kept = some(random, relation.columns, 4, 1)
    items = [column.name for column in kept] + ["window_start", "window_end"]
    return View(
        renamed(
            relation,
            name=name,
            columns=(*kept, Column("window_start", TIME), Column("window_end", TIME)),
            time=relation.time if relation.time in items else None,
            window=True,
            ordered=False,
            unique=(),
            depth=relation.depth + 1,
        ),
        f"rows of {window.kind}",
        f"SELECT {select_list([(item, item) for item in items])} FROM {window.call}",
        f"SELECT {', '.join(items)}, _stamp FROM {window.oracle}",
        (relation.name,),
        window.parts,
    )
