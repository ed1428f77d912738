"""ROW_NUMBER and its kin: Top-N, deduplication, aggregates over frames."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from grouping import keys_of
from relations import BIG, DATE, DECIMAL, DOUBLE, INT, TEXT, TIME, Column, Relation, View, pick, renamed, some

Relations = Sequence[Relation]


def order_for(random: Random, relation: Relation, *, ties: bool = False) -> tuple[str, str] | None:
    """Draws an ORDER BY for the engine and for the oracle; unless `ties` are welcome, it ends with a unique column, or arrival decides."""
    found = [c for c in relation.columns if c.type in (INT, BIG, TEXT, DECIMAL, TIME, DATE, DOUBLE) and not c.near]
    words = [f"{c.name}{random.choice(['', ' DESC', ' NULLS FIRST', ' DESC NULLS FIRST'])}" for c in some(random, found, 2, 1)]
    if not words:
        return None
    if ties:
        return ", ".join(words), ", ".join(words)
    if relation.identity:
        words += [name for name in relation.identity if not any(word.split()[0] == name for word in words)]
        return ", ".join(words), ", ".join(words)
    if relation.unique and random.random() < 0.7:
        words.append(relation.unique[0])
        return ", ".join(words), ", ".join(words)
    if relation.ordered and relation.append:
        return ", ".join(words), ", ".join([*words, "_seq"])
    return None


def orderable(relation: Relation) -> bool:
    """Says whether no two different rows of it need be equal in an ORDER BY."""
    return bool(relation.unique or relation.identity) or (relation.ordered and relation.append)


def fresh_rank(relation: Relation) -> bool:
    """Says whether it has no rank yet: the column would be there twice."""
    return all(column.name != "rn" for column in relation.columns)


def top_n(random: Random, name: str, relations: Relations) -> View | None:
    """The first rows of each key."""
    function = random.choice(["ROW_NUMBER", "ROW_NUMBER", "ROW_NUMBER", "RANK", "DENSE_RANK"])
    numbered = function == "ROW_NUMBER"
    relation = pick(random, (r for r in relations if not r.static and fresh_rank(r) and (not numbered or orderable(r))))
    order = order_for(random, relation, ties=not numbered) if relation is not None else None
    if relation is None or order is None:
        return None
    keys = keys_of(random, relation, 1)
    kept = some(random, relation.columns, 4, 1)
    over = f"PARTITION BY {', '.join(key.name for key in keys)} " if keys else ""
    limit = random.choice([1, 1, 2, 3, 5])
    with_rank = random.random() < 0.5
    low = random.choice([1, 1, 1, 2])
    condition = f"rn <= {limit}" if low == 1 else f"rn BETWEEN {low} AND {low + limit}"
    items = ", ".join([column.name for column in kept] + (["rn"] if with_rank else []))
    inner = ", ".join(sorted({column.name for column in [*kept, *keys]}))
    if numbered and limit == 1 and low == 1 and order[0].removesuffix(" NULLS FIRST") == f"{relation.time} DESC":
        order = order[0], f"{order[0]}, _seq DESC"  # Of the last rows by time the later arrival.
    sql = f"SELECT {items} FROM (SELECT {inner}, {function}() OVER ({over}ORDER BY {{}}) AS rn FROM {relation.name}) WHERE {condition}"
    visible = {column.name for column in kept}
    return View(
        Relation(
            name,
            (*kept, *([Column("rn", BIG)] if with_rank else [])),
            append=False,
            settled=relation.settled,
            unique=relation.unique if set(relation.unique) <= visible else (),
            depth=relation.depth + 1,
        ),
        f"Top-N by {function}" if not numbered else "deduplication" if limit == 1 and low == 1 else "Top-N",
        sql.format(order[0]),
        sql.format(order[1]),
        (relation.name,),
        ("with rank",) if with_rank else (),
    )


def limited(random: Random, name: str, relations: Relations) -> View | None:
    """ORDER BY with LIMIT, and now and then OFFSET."""
    relation = pick(random, (r for r in relations if not r.static and fresh_rank(r) and orderable(r)))
    order = order_for(random, relation) if relation is not None else None
    if relation is None or order is None:
        return None
    kept = some(random, relation.columns, 4, 1)
    end = f" LIMIT {random.randint(1, 6)}" + (f" OFFSET {random.randint(1, 3)}" if random.random() < 0.3 else "")
    sql = f"SELECT {', '.join(column.name for column in kept)} FROM {relation.name} ORDER BY {{}}{end}"
    return View(
        Relation(name, tuple(kept), append=False, settled=relation.settled, depth=relation.depth + 1),
        "ORDER BY LIMIT",
        sql.format(order[0]),
        sql.format(order[1]),
        (relation.name,),
        ("OFFSET",) if "OFFSET" in end else (),
    )


def window_top_n(random: Random, name: str, relations: Relations) -> View | None:
    """The first rows of each window."""
    relation = pick(random, (r for r in relations if r.window and fresh_rank(r) and r.append and r.identity))
    order = order_for(random, relation) if relation is not None else None
    if relation is None or order is None:
        return None
    keys = keys_of(random, relation, 1)
    over = ", ".join(["window_start", "window_end", *(key.name for key in keys)])
    items = ", ".join(dict.fromkeys(["window_start", "window_end", *(c.name for c in relation.columns)]))
    hidden = "".join(f", {column}" for column in relation.hidden)
    sql = (
        f"SELECT {items}, rn{{hidden}} FROM (SELECT {items}{{hidden}}, ROW_NUMBER() OVER (PARTITION BY {over} ORDER BY {{order}}) AS rn"
        f" FROM {relation.name})"
        f" WHERE rn <= {random.randint(1, 3)}"
    )
    columns = tuple(relation.column(word) for word in items.split(", "))
    return View(
        renamed(relation, name=name, columns=(*columns, Column("rn", BIG)), depth=relation.depth + 1),
        "window Top-N",
        sql.format(order=order[0], hidden=""),
        sql.format(order=order[1], hidden=hidden),
        (relation.name,),
    )


def over_frame(random: Random, name: str, relations: Relations) -> View | None:
    """Aggregates over a frame of rows before each row, in event time. Of results of one time none is promised to come first."""
    ranged = random.random() < 0.5
    fitting = (r for r in relations if r.time is not None and r.append and r.stamped and not r.late and not r.window)
    relation = pick(random, (r for r in fitting if r.ordered or ranged))
    if relation is None:
        return None
    keys = keys_of(random, relation, 1)
    numbers = relation.of_type(INT, BIG, DECIMAL)
    numbers = [c for c in numbers if not c.extreme]
    if not numbers:
        return None
    added = random.choice(numbers)
    number = added.name
    over = f"PARTITION BY {', '.join(key.name for key in keys)} " if keys else ""
    n = random.randint(1, 9)
    start = random.choice(["UNBOUNDED", f"INTERVAL '{n}' SECOND" if ranged else str(n)])
    frame = f"{'RANGE' if ranged else 'ROWS'} BETWEEN {start} PRECEDING AND CURRENT ROW"
    calls = random.sample(
        [f"sum({number})", "count(*)", f"min({number})", f"max({number})", f"avg({number})", f"count({number})"], random.randint(1, 3)
    )
    # Rows of one time stand in one RANGE frame; in a ROWS frame the order of arrival decides.
    order = relation.time if ranged else f"{relation.time}, _seq"
    named = [relation.column(column) for column in (*relation.unique, *(relation.identity or ()))]  # What names a row goes on doing so.
    kept = list(dict.fromkeys([*some(random, relation.columns, 3, 1), relation.column(relation.time), *named]))
    columns = list(kept)
    engine, oracle = [c.name for c in kept], [c.name for c in kept]
    for index, call in enumerate(calls):
        called = f"o{relation.depth}{index}"  # Unlike the results of views below.
        near = call.startswith("avg")
        summed = "DECIMAL(38, 2)" if added.type == DECIMAL else BIG
        kind = {"avg": DOUBLE, "sum": summed, "min": added.type, "max": added.type}.get(call.partition("(")[0], BIG)
        columns.append(Column(called, kind, near=near))
        engine.append(f"{call} OVER ({over}ORDER BY {relation.time} {frame}) AS {called}")
        oracle.append(f"{call} OVER ({over}ORDER BY {order} {frame}) AS {called}")
    inner = f"SELECT {', '.join(oracle)}, _stamp, ms({relation.time}) AS _time FROM {relation.name}"
    return View(
        renamed(relation, name=name, columns=tuple(columns), depth=relation.depth + 1, settled=False, ordered=False),
        "OVER RANGE" if ranged else "OVER ROWS",
        f"SELECT {', '.join(engine)} FROM {relation.name}",
        f"SELECT * EXCLUDE (_time) FROM ({inner}) WHERE _time <= {{watermark}}",
        (relation.name,),
        tuple(call.partition("(")[0] for call in calls),
    )
