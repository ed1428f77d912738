"""What the generator knows of a relation: its columns, what time means in it, and what may be asked of it at which moment.

A relation is a source or a view. It has the same name in the engine and in the oracle. In the oracle it may have two more columns,
which no view of the engine sees: `_seq`, the order of arrival, and `_stamp`, the watermark before the row in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

NO_WATERMARK = -(2**62)
ALL_TIME = 2**62
"""The watermark after the end of all input."""

INT, BIG, DOUBLE, DECIMAL, TEXT, BOOL, TIME, DATE, ARRAY, PAIR = (
    "INTEGER",
    "BIGINT",
    "DOUBLE",
    "DECIMAL(12, 2)",
    "VARCHAR",
    "BOOLEAN",
    "TIMESTAMP",
    "DATE",
    "INTEGER[]",
    "STRUCT(n INTEGER, name VARCHAR)",
)


@dataclass(frozen=True)
class Column:
    """A column of a relation."""

    name: str
    type: str
    extreme: bool = False
    """Holds values at the ends of its type: nothing is added up."""
    near: bool = False
    """A float that depends on the order of summation: compared with a tolerance."""


@dataclass(frozen=True)
class Relation:
    """A source or a view."""

    name: str
    columns: tuple[Column, ...]
    sources: frozenset[str] = frozenset()
    """The sources with a watermark it is made of; their low point is its watermark. Empty: it has none."""
    time: str | None = None
    """Its event time."""
    window: bool = False
    """It has window_start and window_end, and its rows are known when the watermark passes window_end."""
    append: bool = True
    """Rows are never taken back."""
    stamped: bool = False
    """The oracle has `_stamp`."""
    ordered: bool = False
    """The oracle has `_seq`: the order of arrival is defined."""
    late: bool = False
    """Some rows may come behind the watermark."""
    settled: bool = True
    """What it shows at a durable tick before the end is defined by the prefix of its inputs."""
    static: bool = False
    """A table that is read before all else."""
    unique: tuple[str, ...] = ()
    """Columns that name a row, without NULLs."""
    identity: tuple[str, ...] = ()
    """Columns that name a row, NULLs among their values."""
    versions: bool = False
    """A source whose rows of one key are versions in event time; the oracle has all of them in NAME__versions."""
    depth: int = 0

    def of_type(self, *types: str) -> list[Column]:
        return [column for column in self.columns if column.type in types]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def hidden(self) -> list[str]:
        """The oracle's further columns."""
        return (["_seq"] if self.ordered else []) + (["_stamp"] if self.stamped else [])


BruteForce = Callable[[list[tuple[Any, ...]]], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class View:
    """A materialized view: its SQL for the engine and for the oracle."""

    relation: Relation
    construct: str
    engine_sql: str
    oracle_sql: str
    """With {watermark} where the low point in milliseconds stands."""
    reads: tuple[str, ...]
    parts: tuple[str, ...] = ()
    """Smaller constructs inside it, for the count."""
    brute_force: BruteForce | None = None
    """Computes the rows, for what no SQL of the oracle says; `oracle_sql` gives what it works on."""


@dataclass
class Names:
    """Fresh names for columns."""

    taken: set[str] = field(default_factory=set)

    def fresh(self, wish: str) -> str:
        number, name = 1, wish
        while name in self.taken:
            number, name = number + 1, f"{wish}{number}"
        self.taken.add(name)
        return name


def pick(random: Random, things: Iterable[Relation]) -> Relation | None:
    """Draws a relation, later ones more often, so that views stand on views."""
    found = list(things)
    if not found:
        return None
    return random.choices(found, [1 + relation.depth for relation in found])[0]


def some(random: Random, columns: Sequence[Column], at_most: int, at_least: int = 0) -> list[Column]:
    """Draws a few columns in their order."""
    count = random.randint(min(at_least, len(columns)), min(at_most, len(columns)))
    drawn = set(random.sample(range(len(columns)), count))
    return [column for index, column in enumerate(columns) if index in drawn]


def select_list(items: Sequence[tuple[str, str]]) -> str:
    """Writes `expression AS name, ...`."""
    return ", ".join(f"{expression} AS {name}" if expression != name else name for expression, name in items)


def renamed(relation: Relation, **changes: object) -> Relation:
    """Gives a changed copy, for a view over it."""
    return replace(relation, **{"versions": False, "identity": ()} | changes)  # type: ignore[arg-type]
