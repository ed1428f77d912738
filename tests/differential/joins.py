"""Joins of two relations, set operations, and sub-queries."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from expressions import Expressions
from relations import BIG, BOOL, DATE, DECIMAL, DOUBLE, INT, TEXT, Column, Names, Relation, View, pick, renamed, select_list, some

Relations = Sequence[Relation]
COMPARABLE = ((INT, BIG), (INT, BIG), (TEXT,), (DECIMAL,), (DATE,), (DOUBLE,), (BOOL,))


def equal_columns(random: Random, left: Relation, right: Relation) -> tuple[str, str] | None:
    """Draws a column of each side that may be compared."""
    pairs = [
        (a.name, b.name) for kinds in COMPARABLE for a in left.of_type(*kinds) for b in right.of_type(*kinds) if not (a.near or b.near)
    ]
    return random.choice(pairs) if pairs else None


def side(
    random: Random, relation: Relation, prefix: str, count: int, taken: Sequence[Column] = ()
) -> tuple[list[tuple[str, str]], list[Column]]:
    """Draws columns of one side of a join, with new names."""
    names = Names({column.name for column in taken})
    items, columns = [], []
    for column in some(random, relation.columns, count, 1):
        name = names.fresh(f"{prefix}_{column.name}")
        items.append((f"{prefix}.{column.name}", name))
        columns.append(Column(name, column.type, column.extreme, column.near))
    return items, columns


def two(random: Random, relations: Relations) -> tuple[Relation, Relation] | None:
    usable = [r for r in relations if not r.static]
    left, right = pick(random, usable), pick(random, usable)
    return (left, right) if left is not None and right is not None else None


def regular(random: Random, name: str, relations: Relations) -> View | None:
    """A join whose result follows both sides."""
    pair = two(random, relations)
    keys = equal_columns(random, *pair) if pair else None
    if pair is None or keys is None:
        return None
    left, right = pair
    kind = random.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
    on = f"a.{keys[0]} {random.choice(['=', '=', '=', 'IS NOT DISTINCT FROM'])} b.{keys[1]}"
    if random.random() < 0.3 and (second := equal_columns(random, left, right)):
        on += f" AND a.{second[0]} {random.choice(['=', '<', '>=', '<>'])} b.{second[1]}"
    left_items, left_columns = side(random, left, "a", 3)
    right_items, right_columns = side(random, right, "b", 3)
    sql = f"SELECT {select_list(left_items + right_items)} FROM {left.name} AS a {kind} {right.name} AS b ON {on}"
    return View(
        Relation(
            name,
            (*left_columns, *right_columns),
            append=False,
            settled=left.settled and right.settled,
            depth=max(left.depth, right.depth) + 1,
        ),
        f"regular {kind}",
        sql,
        sql,
        tuple(dict.fromkeys([left.name, right.name])),
        ("self join",) if left.name == right.name else (),
    )


def semi(random: Random, name: str, relations: Relations) -> View | None:
    """EXISTS, IN, and their negations."""
    pair = two(random, relations)
    keys = equal_columns(random, *pair) if pair else None
    if pair is None or keys is None:
        return None
    left, right = pair
    form = random.choice(["EXISTS", "NOT EXISTS", "IN", "NOT IN"])
    extra = f" WHERE {Expressions(random, right.columns, 'b.').condition(1)}" if random.random() < 0.5 else ""
    if form.endswith("EXISTS"):
        extra = extra.replace(" WHERE ", " AND ", 1)
        condition = f"{form} (SELECT 1 FROM {right.name} AS b WHERE b.{keys[1]} = a.{keys[0]}{extra})"
    else:
        condition = f"a.{keys[0]} {form} (SELECT b.{keys[1]} FROM {right.name} AS b{extra})"
    kept = some(random, left.columns, 4, 1)
    sql = f"SELECT {select_list([(f'a.{c.name}', c.name) for c in kept])} FROM {left.name} AS a WHERE {condition}"
    return View(
        Relation(name, tuple(kept), append=False, settled=left.settled and right.settled, depth=max(left.depth, right.depth) + 1),
        f"{'anti' if 'NOT' in form else 'semi'} join: {form}",
        sql,
        sql,
        tuple(dict.fromkeys([left.name, right.name])),
    )


def scalar(random: Random, name: str, relations: Relations) -> View | None:
    """A scalar sub-query, free or correlated."""
    pair = two(random, relations)
    if pair is None:
        return None
    left, right = pair
    numbers = [c for c in left.of_type(INT, BIG) if not c.extreme]
    others = [c for c in right.of_type(INT, BIG) if not c.extreme]
    if not numbers or not others:
        return None
    keys = equal_columns(random, left, right) if random.random() < 0.4 else None
    where = f" WHERE b.{keys[1]} = a.{keys[0]}" if keys else ""
    inner = f"(SELECT {random.choice(['max', 'min', 'sum', 'count'])}(b.{random.choice(others).name}) FROM {right.name} AS b{where})"
    kept = some(random, left.columns, 3, 1)
    if random.random() < 0.5:
        items, condition, more = [(f"a.{c.name}", c.name) for c in kept], f" WHERE a.{random.choice(numbers).name} < {inner}", []
    else:
        items, condition, more = [*((f"a.{c.name}", c.name) for c in kept), (inner, "q")], "", [Column("q", BIG)]
    sql = f"SELECT {select_list(items)} FROM {left.name} AS a{condition}"
    return View(
        Relation(name, (*kept, *more), append=False, settled=left.settled and right.settled, depth=max(left.depth, right.depth) + 1),
        "correlated sub-query" if keys else "scalar sub-query",
        sql,
        sql,
        tuple(dict.fromkeys([left.name, right.name])),
    )


def set_operation(random: Random, name: str, relations: Relations) -> View | None:
    """UNION, INTERSECT, EXCEPT, with and without ALL."""
    pair = two(random, relations)
    if pair is None:
        return None
    left, right = pair
    chosen: list[tuple[Column, Column]] = []
    for column in some(random, left.columns, 2, 1):
        found = [c for c in right.columns if c.type == column.type and not c.near and not column.near]
        if found:
            chosen.append((column, random.choice(found)))
    if not chosen:
        return None
    operation = random.choice(["UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"])
    first = select_list([(a.name, f"s{i}") for i, (a, _) in enumerate(chosen)])
    second = select_list([(b.name, f"s{i}") for i, (_, b) in enumerate(chosen)])
    sql = f"SELECT {first} FROM {left.name} {operation} SELECT {second} FROM {right.name}"
    columns = tuple(Column(f"s{i}", a.type, a.extreme or b.extreme) for i, (a, b) in enumerate(chosen))
    return View(
        Relation(name, columns, append=False, settled=left.settled and right.settled, depth=max(left.depth, right.depth) + 1),
        operation,
        sql,
        sql,
        tuple(dict.fromkeys([left.name, right.name])),
    )


def look_up(random: Random, name: str, relations: Relations) -> View | None:
    """A stream joined with a table that is read before all else."""
    left = pick(random, (r for r in relations if not r.static and not r.window))
    right = pick(random, (r for r in relations if r.static))
    keys = equal_columns(random, left, right) if left is not None and right is not None else None
    if left is None or right is None or keys is None:
        return None
    kind = random.choice(["JOIN", "LEFT JOIN"])
    kept = some(random, left.columns, 3, 1)
    if left.time is not None and left.column(left.time) not in kept:
        kept.append(left.column(left.time))
    right_items, right_columns = side(random, right, "b", 3, kept)
    items = [(f"a.{c.name}", c.name) for c in kept] + right_items
    sql = f"SELECT {select_list(items)}{{}} FROM {left.name} AS a {kind} {right.name} AS b ON a.{keys[0]} = b.{keys[1]}"
    hidden = "".join(f", a.{column}" for column in left.hidden if column != "_seq")
    return View(
        renamed(left, name=name, columns=(*kept, *right_columns), ordered=False, unique=(), depth=left.depth + 1),
        f"look-up {kind}",
        sql.format(""),
        sql.format(hidden),
        (left.name, right.name),
    )


def interval(random: Random, name: str, relations: Relations) -> View | None:
    """Rows of two streams that are near each other in time."""
    timed = [r for r in relations if r.time is not None and r.stamped and r.append and not r.late and not r.window]
    left, right = pick(random, timed), pick(random, timed)
    keys = equal_columns(random, left, right) if left is not None and right is not None else None
    if left is None or right is None or keys is None:
        return None
    kind = random.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
    low, high = random.choice([(-5, 0), (-10, 10), (0, 7), (-3, -1), (0, 0), (2, 20)])
    on = f"a.{keys[0]} = b.{keys[1]} AND {{a}} BETWEEN {{b}} + {{low}} AND {{b}} + {{high}}"
    left_items, left_columns = side(random, left, "a", 3)
    right_items, right_columns = side(random, right, "b", 3)
    sql = f"SELECT {select_list(left_items + right_items)} FROM {left.name} AS a {kind} {right.name} AS b ON {on}"
    engine = sql.format(a=f"a.{left.time}", b=f"b.{right.time}", low=f"INTERVAL '{low}' SECOND", high=f"INTERVAL '{high}' SECOND")
    return View(
        Relation(
            name,
            (*left_columns, *right_columns),
            settled=left.settled and right.settled and kind == "JOIN",
            depth=max(left.depth, right.depth) + 1,
        ),
        f"interval {kind}",
        engine,
        engine,
        tuple(dict.fromkeys([left.name, right.name])),
    )


def window_join(random: Random, name: str, relations: Relations) -> View | None:
    """Rows of two relations in the same window."""
    found = [r for r in relations if r.window and r.append]
    left, right = pick(random, found), pick(random, found)
    keys = equal_columns(random, left, right) if left is not None and right is not None else None
    if left is None or right is None or keys is None:
        return None
    kind = random.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI", "ANTI"])
    on = f"a.window_start = b.window_start AND a.window_end = b.window_end AND a.{keys[0]} = b.{keys[1]}"
    left_items, left_columns = side(random, left, "a", 4)
    right_items, right_columns = side(random, right, "b", 4)
    if kind in ("SEMI", "ANTI"):
        word = "EXISTS" if kind == "SEMI" else "NOT EXISTS"
        sql = f"SELECT {select_list(left_items)} FROM {left.name} AS a WHERE {word} (SELECT 1 FROM {right.name} AS b WHERE {on})"
        right_columns = []
    else:
        sql = f"SELECT {select_list(left_items + right_items)} FROM {left.name} AS a {kind} {right.name} AS b ON {on}"
    return View(
        Relation(name, (*left_columns, *right_columns), settled=False, depth=max(left.depth, right.depth) + 1),
        f"window {kind}",
        sql,
        sql,
        tuple(dict.fromkeys([left.name, right.name])),
    )


def asof(random: Random, name: str, relations: Relations) -> View | None:
    """Each row of the left side with the one row of its key that is nearest before it."""
    left = pick(random, (r for r in relations if not r.static))
    right = pick(random, (r for r in relations if r.unique))
    keys = equal_columns(random, left, right) if left is not None and right is not None else None
    if left is None or right is None or keys is None:
        return None
    ordered = [c.name for c in left.of_type(INT, BIG) if not c.extreme]
    if not ordered:
        return None
    # The nearest by the unique column: no ties.
    kind = random.choice(["ASOF JOIN", "ASOF LEFT JOIN"])
    comparison = random.choice([">=", ">", "<=", "<"])
    left_items, left_columns = side(random, left, "a", 3)
    right_items, right_columns = side(random, right, "b", 3)
    on = f"a.{keys[0]} = b.{keys[1]} AND a.{random.choice(ordered)} {comparison} b.{right.unique[0]}"
    items = select_list(left_items + right_items)
    # DuckDB's own ASOF JOIN fails on keys of two types, and orders <= wrongly: the nearest partner is found by hand.
    nearest = f"ROW_NUMBER() OVER (PARTITION BY a._row ORDER BY b.{right.unique[0]} {'DESC' if comparison.startswith('>') else 'ASC'})"
    oracle = (
        f"SELECT {', '.join(column.name for column in (*left_columns, *right_columns))} FROM (SELECT {items}, {nearest} AS _place"
        f" FROM (SELECT *, ROW_NUMBER() OVER () AS _row FROM {left.name}) AS a {kind.removeprefix('ASOF ')} {right.name} AS b ON {on})"
        " WHERE _place = 1"
    )
    return View(
        Relation(
            name,
            (*left_columns, *right_columns),
            append=False,
            settled=left.settled and right.settled,
            depth=max(left.depth, right.depth) + 1,
        ),
        kind + (" a table" if right.static else ""),
        f"SELECT {items} FROM {left.name} AS a {kind} {right.name} AS b ON {on}",
        oracle,
        tuple(dict.fromkeys([left.name, right.name])),
    )


def temporal(random: Random, name: str, relations: Relations) -> View | None:
    """Each row of a stream with the version of its key that held at its time."""
    left = pick(random, (r for r in relations if r.time is not None and r.append and r.stamped and not r.late and not r.window))
    right = pick(random, (r for r in relations if r.versions))
    if left is None or right is None or not left.of_type(BIG):
        return None
    key, kind = random.choice(left.of_type(BIG)).name, random.choice(["JOIN", "LEFT JOIN"])
    left_items, left_columns = side(random, left, "a", 3)
    right_items, right_columns = side(random, right, "b", 3)
    sql = f"SELECT {select_list(left_items + right_items)} FROM {left.name} AS a {kind} {{}} AS b ON a.{key} = b.{right.unique[0]}"
    # Every version holds from its time to the next one's; of one time the later arrival counts.
    start = f"ms({right.time})"
    versions = (
        f"(SELECT *, {start} AS _from, lead({start}) OVER (PARTITION BY {right.unique[0]} ORDER BY {start}, _seq) AS _until"
        f" FROM {right.name}__versions)"
    )
    held = f" AND ms(a.{left.time}) >= b._from AND (b._until IS NULL OR ms(a.{left.time}) < b._until)"
    return View(
        Relation(name, (*left_columns, *right_columns), settled=False, depth=left.depth + 1),
        f"temporal {kind}",
        sql.format(f"{right.name} FOR SYSTEM_TIME AS OF a.{left.time}"),
        sql.format(versions) + held,
        (left.name, right.name),
    )
