"""Makes a failing pipeline smaller while it still fails: fewer views, fewer records."""

from __future__ import annotations

import copy
import time
from pathlib import Path

from checking import Failure, check, check_durable
from inputs import Source
from pipelines import Pipeline

LIMIT_S = 40


def smaller(pipeline: Pipeline, directory: Path, failure: Failure) -> str | None:
    """Gives the smallest project found, as text; None = it does not fail again."""
    deadline = time.monotonic() + LIMIT_S

    def fails(candidate: Pipeline) -> bool:
        if time.monotonic() > deadline:
            return False
        found = run(candidate)
        return found is not None and found.is_wrong_answer == failure.is_wrong_answer

    def run(candidate: Pipeline) -> Failure | None:
        if failure.prefix is not None:
            return check_durable(candidate, directory, failure.shards)
        return check(candidate, directory, failure.shards, optimize=failure.optimize)

    for index, source in enumerate(pipeline.sources):
        if failure.prefix is not None:
            kept = failure.prefix.get(source.name, len(source.records))
            pipeline = with_records(pipeline, index, [number < kept for number in range(len(source.records))])
    if not pipeline.views or not fails(pipeline):
        return None
    for view in reversed(list(pipeline.views)):
        candidate = pipeline.without({view.relation.name})
        if candidate.views and fails(candidate):
            pipeline = candidate
    pipeline = without_unread(pipeline)
    for index in range(len(pipeline.sources)):
        pipeline = fewer_records(pipeline, index, fails)
    final = run(pipeline)
    files = [f"  {path.name}: {path.read_text().strip()}" for path in sorted((directory / "sql").iterdir())]
    records = [f"  {source.name}: {record.text}" for source in pipeline.sources for record in source.records[:30]]
    return "\n".join([*files, *records, f"  {final}"])


def without_unread(pipeline: Pipeline) -> Pipeline:
    """Drops sources that no view reads."""
    read = {name for view in pipeline.views for name in view.reads}
    return Pipeline(pipeline.seed, [s for s in pipeline.sources if s.name in read], pipeline.views, sinks=pipeline.sinks)


def with_records(pipeline: Pipeline, index: int, keep: list[bool]) -> Pipeline:
    """Gives a copy with some of a source's records."""
    source = copy.copy(pipeline.sources[index])
    source.records = [record for record, kept in zip(source.records, keep, strict=True) if kept]
    sources = [*pipeline.sources[:index], source, *pipeline.sources[index + 1 :]]
    return Pipeline(pipeline.seed, sources, pipeline.views, sinks=pipeline.sinks)


def consistent(source: Source) -> bool:
    """Says whether each row that is taken back was there."""
    try:
        source.table(len(source.records))
    except IndexError:
        return False
    return True


def fewer_records(pipeline: Pipeline, index: int, fails) -> Pipeline:  # type: ignore[no-untyped-def]
    """Drops runs of records, halving their length."""
    length = max(len(pipeline.sources[index].records) // 2, 1)
    while length >= 1:
        at = 0
        while at < len(pipeline.sources[index].records):
            keep = [not at <= number < at + length for number in range(len(pipeline.sources[index].records))]
            candidate = with_records(pipeline, index, keep)
            if consistent(candidate.sources[index]) and fails(candidate):
                pipeline = candidate
            else:
                at += length
        length = length // 2 if length > 1 else 0
    return pipeline
