"""Views that look at one row at a time: projections, filters, UNION ALL, UNNEST."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from expressions import Expressions
from relations import BIG, INT, Column, Names, Relation, View, pick, renamed, select_list, some

Relations = Sequence[Relation]


def projection(random: Random, name: str, relations: Relations) -> View | None:
    """SELECT expressions FROM r WHERE condition."""
    relation = pick(random, (r for r in relations if not r.static))
    if relation is None:
        return None
    expressions = Expressions(random, relation.columns)
    names = Names(set())
    kept = some(random, relation.columns, len(relation.columns), 1)
    if relation.time is not None and random.random() < 0.85 and not any(c.name == relation.time for c in kept):
        kept.append(relation.column(relation.time))
    for column in relation.columns:
        if relation.window and column.name in ("window_start", "window_end") and column not in kept:
            kept.append(column)
    items, columns = [], []
    for column in kept:
        items.append((column.name, names.fresh(column.name)))
        columns.append(column)
    for _ in range(random.randint(0, 3)):
        expression, kind = expressions.any()
        items.append((expression, names.fresh("e")))
        columns.append(Column(items[-1][1], kind))
    where = f" WHERE {expressions.condition()}" if random.random() < 0.6 else ""
    visible = [column.name for column in columns]
    relation_out = renamed(
        relation,
        name=name,
        columns=tuple(columns),
        time=relation.time if relation.time in visible else None,
        unique=relation.unique if all(part in visible for part in relation.unique) else (),
        depth=relation.depth + 1,
    )
    body = select_list(items)
    hidden = "".join(f", {column}" for column in relation.hidden)
    parts = [word for word in ("CASE", "CAST", "coalesce", "LIKE") if word in body + where]
    return View(
        relation_out,
        "filter" if where else "projection",
        f"SELECT {body} FROM {relation.name}{where}",
        f"SELECT {body}{hidden} FROM {relation.name}{where}",
        (relation.name,),
        tuple(parts),
    )


def union_all(random: Random, name: str, relations: Relations) -> View | None:
    """The rows of two or three relations together."""
    first = pick(random, (r for r in relations if not r.static and not r.window))
    if first is None:
        return None
    wanted = [column for column in some(random, first.columns, 4, 1) if column.name != first.time]
    # Late rows only where all branches read one source: in which order live sources are merged is not for the oracle to know.
    with_time = first.time is not None and first.stamped and (not first.late or len(first.sources) == 1)
    branches: list[tuple[Relation, list[str]]] = []
    for relation in [first, *random.sample(list(relations), len(relations))]:
        chosen = []
        for column in wanted:
            found = [c.name for c in relation.columns if c.type == column.type and c.name not in chosen]
            if not found:
                break
            chosen.append(random.choice(found) if relation is not first else column.name)
        if len(chosen) < len(wanted) or relation.static:
            continue
        if with_time and (relation.time is None or not relation.stamped):
            continue
        together = [relation, *(branch for branch, _ in branches)]
        if with_time and any(r.late for r in together) and len({r.sources for r in together}) > 1:
            continue
        branches.append((relation, chosen + ([relation.time] if with_time and relation.time else [])))
        if len(branches) == 3:
            break
    if not wanted or len(branches) < 2:
        return None
    columns = [Column(f"u{number}", column.type, column.extreme, column.near) for number, column in enumerate(wanted)]
    columns = [
        Column(
            column.name,
            column.type,
            any(r.column(chosen[i]).extreme for r, chosen in branches),
            any(r.column(chosen[i]).near for r, chosen in branches),
        )
        for i, column in enumerate(columns)
    ]
    if with_time:
        columns.append(Column("ts", "TIMESTAMP"))
    stamp = ", _stamp" if with_time else ""
    select = [
        f"SELECT {select_list(list(zip(chosen, [column.name for column in columns], strict=True)))}{{hidden}} FROM {relation.name}"
        for relation, chosen in branches
    ]
    engine = " UNION ALL ".join(select)
    inputs = [relation for relation, _ in branches]
    return View(
        Relation(
            name,
            tuple(columns),
            frozenset().union(*(r.sources for r in inputs)) if with_time else frozenset(),
            "ts" if with_time else None,
            append=all(r.append for r in inputs),
            stamped=with_time,
            late=any(r.late for r in inputs),
            settled=all(r.settled for r in inputs),
            depth=max(r.depth for r in inputs) + 1,
        ),
        "UNION ALL",
        engine.replace("{hidden}", ""),
        engine.replace("{hidden}", stamp),
        tuple(dict.fromkeys(r.name for r in inputs)),
    )


def unnest(random: Random, name: str, relations: Relations) -> View | None:
    """A row per element of a list, numbered or not; of a row without elements none, or one of NULLs."""
    relation = pick(random, (r for r in relations if not r.static and not r.window))
    if relation is None:
        return None
    expressions = Expressions(random, relation.columns, "r.")
    array = expressions.array()
    if random.random() < 0.5:
        array = f"CASE WHEN {expressions.condition()} THEN {array} ELSE CAST([] AS INTEGER[]) END"
    left, numbered = random.random() < 0.4, random.random() < 0.4
    unnested = [Column("item", INT), *([Column("place", BIG)] if numbered else [])]
    kept = [c for c in some(random, relation.columns, 4, 1) if c.name not in ("item", "place")]
    if not kept:
        return None
    body = select_list([(f"r.{column.name}", column.name) for column in kept] + [(f"u.{c.name}", c.name) for c in unnested])
    visible = [column.name for column in kept]
    hidden = "".join(f", r.{column}" for column in relation.hidden)
    table = f"UNNEST({array}){' WITH ORDINALITY' * numbered} AS u({', '.join(c.name for c in unnested)})"
    join = f"LEFT JOIN {table} ON TRUE" if left else f"CROSS JOIN {table}"
    engine = f"SELECT {body}{{hidden}} FROM {relation.name} AS r {join}"
    return View(
        renamed(
            relation,
            name=name,
            columns=(*kept, *unnested),
            time=relation.time if relation.time in visible else None,
            ordered=False,
            unique=(),
            depth=relation.depth + 1,
        ),
        "LEFT JOIN UNNEST" if left else "UNNEST",
        engine.replace("{hidden}", ""),
        engine.replace("{hidden}", hidden.replace(", r._seq", "")),
        (relation.name,),
    )
