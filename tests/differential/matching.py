"""MATCH_RECOGNIZE, with a matcher that tries every way: slow, short, and made from the rules alone (docs/reference/sql.md).

A greedy quantifier takes a row whenever its condition holds; after `?` and reluctant quantifiers both ways are tried. Of the matches
from one start the one that is complete first counts; of several at one row, the one that prefers taking rows (greedy) or leaving
them (reluctant).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from grouping import keys_of
from relations import BIG, DOUBLE, INT, Column, Relation, View, pick

Relations = Sequence[Relation]
Row = tuple[Any, ...]

sys.setrecursionlimit(10_000)
"""A match takes a few calls per row, and long partitions that one pattern takes whole do come."""


@dataclass(frozen=True)
class Variable:
    """A variable of the pattern."""

    name: str
    low: int
    high: int | None
    reluctant: bool
    condition: tuple[str, int, str]
    """How a row is judged: kind, a number, an operator."""

    @property
    def pattern(self) -> str:
        quantifier = {(1, 1): "", (0, 1): "?", (0, None): "*", (1, None): "+"}.get((self.low, self.high))
        if quantifier is None:
            quantifier = f"{{{self.low},{self.high if self.high is not None else ''}}}"
        return self.name + quantifier + ("?" if self.reluctant else "")


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True)
class Search:
    """A pattern over rows (partition key, number, time in milliseconds), in their order."""

    variables: tuple[Variable, ...]
    skip_past: bool
    within_ms: int | None
    measures: tuple[tuple[str, str], ...]
    """Function and variable ("" = the whole match)."""

    def holds(self, variable: Variable, taken: list[list[Row]], row: Row) -> bool:
        """Judges whether a row may go to a variable; what is NULL holds not."""
        kind, number, operator = variable.condition
        value = row[1]
        if kind == "any":
            return True
        if kind == "constant":
            other: Any = number
        elif kind == "previous":  # LAST(X.v, 1): the row of this variable before this one.
            own = taken[self.variables.index(variable)]
            other = own[-1][1] if own else None
            if other is None:
                return True
        else:  # The last row of the first variable; of this one itself when it is the first.
            first = taken[0] if self.variables[0] is not variable else [*taken[0], row]
            other = first[-1][1] if first else None
        return value is not None and other is not None and OPERATORS[operator](value, other)

    def ways(self, rows: list[Row], at: int, variable: int, taken: list[list[Row]]) -> Iterator[tuple[int, list[list[Row]]]]:
        """Gives every complete match from here on, the preferred ones first."""
        if variable == len(self.variables):
            yield at, taken
            return
        this = self.variables[variable]
        count = len(taken[variable])
        more = this.high is None or count < this.high
        can_take = more and at < len(rows) and self.holds(this, taken, rows[at])
        can_leave = count >= this.low

        def take() -> Iterator[tuple[int, list[list[Row]]]]:
            if can_take:
                grown = [[*part, rows[at]] if index == variable else part for index, part in enumerate(taken)]
                yield from self.ways(rows, at + 1, variable, grown)

        def leave() -> Iterator[tuple[int, list[list[Row]]]]:
            if can_leave:
                yield from self.ways(rows, at, variable + 1, taken)

        greedy_loop = this.high != 1 and not this.reluctant
        if this.reluctant:
            yield from leave()
            yield from take()
        else:
            yield from take()
            if not (greedy_loop and can_take):
                yield from leave()

    def first(self, rows: list[Row], start: int) -> tuple[int, list[list[Row]]] | None:
        """Gives the match from a start: the one that is complete first."""
        best = None
        for end, taken in self.ways(rows, start, 0, [[] for _ in self.variables]):
            if end > start and (best is None or end < best[0]):
                best = end, taken
        if best is not None and self.within_ms is not None and rows[best[0] - 1][2] - rows[start][2] >= self.within_ms:
            return None
        return best

    def __call__(self, rows: list[Row]) -> list[Row]:
        """Gives a row per match: the key, then the measures."""
        out: list[Row] = []
        partitions: dict[Any, list[Row]] = {}
        for row in rows:
            key = row[0]
            partitions.setdefault(repr(key) if isinstance(key, dict) else key, []).append(row)
        for part in partitions.values():
            key, start = part[0][0], 0
            while start < len(part):
                found = self.first(part, start)
                if found is None:
                    start += 1
                    continue
                end, taken = found
                out.append((key, *(measure(function, self.values(taken, name)) for function, name in self.measures)))
                start = end if self.skip_past else start + 1
        return out

    def values(self, taken: list[list[Row]], name: str) -> list[Any]:
        """Lists the numbers of a variable's rows."""
        index = [variable.name for variable in self.variables].index(name)
        return [row[1] for row in taken[index]]


def measure(function: str, values: list[Any]) -> Any:
    """Computes a measure."""
    known = [value for value in values if value is not None]
    if function == "count":
        return len(known)
    if function == "sum":
        return sum(known) if known else None
    if function == "avg":
        return sum(known) / len(known) if known else None
    if function in ("min", "max"):
        return (min if function == "min" else max)(known) if known else None
    return (values[0] if function == "first" else values[-1]) if values else None


def random_variable(random: Random, name: str, *, first: bool, last: bool) -> Variable:
    """Draws a variable; the last one takes one row, so that a match ends."""
    low, high = (1, 1) if last else random.choice([(1, 1), (1, 1), (1, None), (0, None), (0, 1), (2, 3), (1, 2)])
    reluctant = high != 1 and random.random() < 0.3
    kinds = ["constant", "constant", "previous"] + ([] if first else ["first", "first"]) + (["any"] if high == 1 else [])
    return Variable(name, low, high, reluctant, (random.choice(kinds), random.randint(0, 8), random.choice(list(OPERATORS))))


def definition(variable: Variable, first: str, value: str) -> str:
    """Writes a condition; "" = none."""
    kind, number, operator = variable.condition
    own = f"{variable.name}.{value}"
    if kind == "any":
        return ""
    if kind == "constant":
        return f"{variable.name} AS {own} {operator} {number}"
    if kind == "previous":
        return f"{variable.name} AS LAST({own}, 1) IS NULL OR {own} {operator} LAST({own}, 1)"
    return f"{variable.name} AS {own} {operator} LAST({first}.{value})"


def match_recognize(random: Random, name: str, relations: Relations) -> View | None:
    """A row per match of a random pattern."""
    relation = pick(
        random, (r for r in relations if r.time is not None and r.append and r.ordered and r.stamped and not r.late and not r.window)
    )
    keys = keys_of(random, relation, 1, 1) if relation is not None else []
    numbers = [c for c in relation.of_type(INT, BIG) if not c.extreme] if relation is not None else []
    if relation is None or not keys or not numbers:
        return None
    key, value = keys[0], random.choice(numbers).name
    letters = "ABCD"[: random.randint(2, 4)]
    variables = [random_variable(random, letter, first=letter == "A", last=letter == letters[-1]) for letter in letters]
    if variables[0].low == 0:
        variables[0] = Variable("A", 1, 1, False, variables[0].condition)
    within = random.choice([None, None, 5000, 20000])
    skip_past = random.random() < 0.6
    measures = [(random.choice(["first", "last", "count", "sum", "min", "max", "avg"]), random.choice(letters)) for _ in range(3)]
    written = ", ".join(f"{function.upper()}({letter}.{value}) AS m{index}" for index, (function, letter) in enumerate(measures))
    defined = ", ".join(filter(None, (definition(variable, "A", value) for variable in variables)))
    sql = (
        f"SELECT {key.name}, m0, m1, m2 FROM {relation.name} MATCH_RECOGNIZE (PARTITION BY {key.name} ORDER BY {relation.time} "
        f"MEASURES {written} ONE ROW PER MATCH AFTER MATCH SKIP {'PAST LAST ROW' if skip_past else 'TO NEXT ROW'} "
        f"PATTERN ({' '.join(variable.pattern for variable in variables)})"
        + (f" WITHIN INTERVAL '{within // 1000}' SECOND" if within else "")
        + (f" DEFINE {defined}" if defined else f" DEFINE A AS A.{value} IS NOT NULL OR A.{value} IS NULL")
        + ")"
    )
    columns = (key, *(Column(f"m{index}", DOUBLE if f == "avg" else BIG, near=f == "avg") for index, (f, _) in enumerate(measures)))
    quantified = tuple(sorted({variable.pattern[1:] for variable in variables if variable.pattern[1:]}))
    return View(
        Relation(name, columns, relation.sources, settled=False, depth=relation.depth + 1),
        "MATCH_RECOGNIZE",
        sql,
        f"SELECT {key.name}, {value}, ms({relation.time}) FROM {relation.name} ORDER BY ms({relation.time}), _seq",
        (relation.name,),
        (*(f"pattern {word}" for word in quantified), *(("WITHIN",) if within else ()), *(() if skip_past else ("SKIP TO NEXT ROW",))),
        Search(tuple(variables), skip_past, within, tuple(measures)),
    )
