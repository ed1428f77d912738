"""A random pipeline: sources, views upon views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import grouping
import inputs
import joins
import matching
import ranking
import rowwise
from inputs import Source
from relations import Relation, View

Construct = Callable[[Random, str, Sequence[Relation]], View | None]

CONSTRUCTS: dict[Construct, int] = {
    rowwise.projection: 4,
    rowwise.union_all: 2,
    rowwise.unnest: 1,
    grouping.group_by: 4,
    grouping.grouping_sets: 1,
    grouping.distinct: 1,
    grouping.windowed: 6,
    grouping.window_rows: 2,
    ranking.top_n: 2,
    ranking.limited: 1,
    ranking.window_top_n: 2,
    ranking.over_frame: 2,
    joins.regular: 4,
    joins.semi: 2,
    joins.scalar: 1,
    joins.set_operation: 2,
    joins.look_up: 2,
    joins.interval: 2,
    joins.window_join: 2,
    joins.asof: 1,
    joins.temporal: 2,
    matching.match_recognize: 3,
}
"""Each with its weight."""


@dataclass
class Pipeline:
    """What one seed makes."""

    seed: str
    sources: list[Source]
    views: list[View]
    refused: list[tuple[View, int]] = field(default_factory=list)
    sinks: frozenset[str] = frozenset()
    """The views that a file sink follows as well, with every change."""
    filled: set[str] = field(default_factory=set)
    """The views that had rows in the end: their equality says something."""

    def without(self, names: set[str]) -> Pipeline:
        """Gives the pipeline without these views, and without those that read them."""
        kept: list[View] = []
        gone = set(names)
        for view in self.views:
            if view.relation.name in gone or gone & set(view.reads):
                gone.add(view.relation.name)
            else:
                kept.append(view)
        return Pipeline(self.seed, self.sources, kept, self.refused, self.sinks - gone, self.filled)


MANY_ROWS = 5000
KINDS = ("append", "append", "append", "changelog", "upsert", "changelog_keyed")


def random_pipeline(seed: str, kinds_of_sources: Sequence[str] = KINDS, views: int = 6) -> Pipeline:
    """Draws a pipeline; the same for the same seed."""
    random = Random(seed)
    base = random.choice(inputs.BASES)
    kinds = [random.choice(kinds_of_sources) for _ in range(random.randint(1, 3))]
    kinds += ["static"] if random.random() < 0.35 else []
    rows = random.choice([8, 30, 80, 150])
    # Now and then more than a batch holds; then without joins, whose results would be large.
    if random.random() < 0.06:
        rows = MANY_ROWS
    constructs = {c: weight for c, weight in CONSTRUCTS.items() if rows < MANY_ROWS or c.__module__ != joins.__name__ or c is joins.look_up}
    sources = [
        inputs.random_source(random, f"s{number}", kind, min(rows, 60) if kind == "static" else rows, base)
        for number, kind in enumerate(kinds, 1)
    ]
    relations = [source.relation for source in sources]
    made: list[View] = []
    for _ in range(views * 4):
        construct = random.choices(list(constructs), list(constructs.values()))[0]
        view = construct(random, f"v{len(made) + 1}", relations)
        if view is None:
            continue
        made.append(view)
        relations.append(view.relation)
        if len(made) == views:
            break
    sinks = frozenset(view.relation.name for view in made if random.random() < 0.3)
    return Pipeline(seed, sources, made, sinks=sinks)
