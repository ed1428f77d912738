"""Two answers compared as multisets; floats that depend on the order of summation with a tolerance."""

from __future__ import annotations

import math
from collections import Counter

from oracle import Row
from relations import Relation


def difference(relation: Relation, got: list[Row], wanted: list[Row]) -> str:
    """Says in a few lines how two answers differ; "" = they are equal."""
    near = [index for index, column in enumerate(relation.columns) if column.near]
    lost = Counter(wanted) - Counter(got)
    more = Counter(got) - Counter(wanted)
    if near:
        pair_off(lost, more, set(near))
    if not lost and not more:
        return ""
    names = ", ".join(column.name for column in relation.columns)
    lines = [f"{relation.name} ({names}): {lost.total()} rows are missing, {more.total()} are too many"]
    lines += [f"  missing  {row}" for row in sorted(lost, key=repr)[:4]]
    lines += [f"  too many {row}" for row in sorted(more, key=repr)[:4]]
    return "\n".join(lines)


def pair_off(lost: Counter[Row], more: Counter[Row], near: set[int]) -> None:
    """Takes away what is equal up to rounding."""
    for row in list(lost.elements()):
        match = next((other for other in more if same(row, other, near)), None)
        if match is not None:
            lost[row] -= 1
            more[match] -= 1
            for counter, key in ((lost, row), (more, match)):
                if counter[key] <= 0:
                    del counter[key]


def same(row: Row, other: Row, near: set[int]) -> bool:
    return all(
        a == b or (i in near and a is not None and b is not None and math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-9))
        for i, (a, b) in enumerate(zip(row, other, strict=True))
    )
