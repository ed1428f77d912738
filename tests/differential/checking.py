"""Runs a pipeline in one way and compares each of its views with the oracle."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

from comparing import difference
from oracle import Oracle
from pipelines import Pipeline
from runs import REFUSALS, SINK, EngineError, Project

PIECES = 3
ROWS_MAX = 50_000
"""Rows of a view in the end."""


class Failure(Exception):
    """A pipeline that went wrong."""

    def __init__(
        self, why: str, pipeline: Pipeline | None, shards: int = 1, *, optimize: bool = True, prefix: dict[str, int] | None = None
    ) -> None:
        super().__init__(why)
        self.pipeline, self.shards, self.optimize, self.prefix = pipeline, shards, optimize, prefix

    @property
    def is_wrong_answer(self) -> bool:
        """A wrong answer; else the engine ended with an error."""
        return "rows are missing" in str(self)


def plan(pipeline: Pipeline, directory: Path) -> Pipeline:
    """Gives the pipeline without the views that the planner refuses.

    Raises:
        Failure: it refused one for another reason than that it does not run it.
    """
    for _ in range(2 * len(pipeline.views) + 2):
        # A followed file is never taken for a table, which a bounded one may be; so this asks for the most.
        project = Project(pipeline, directory, "follow")
        project.write()
        try:
            refused = project.refused()
        except EngineError as error:
            raise Failure(str(error), pipeline) from None
        if not refused:
            return pipeline
        sinks = {name.removeprefix(SINK) for name in refused if name.startswith(SINK)}
        if sinks:
            pipeline.sinks -= sinks
            continue
        known = {view.relation.name: view for view in pipeline.views}
        at_fault = {name for name, (code, _) in refused.items() if code in REFUSALS}
        others = {
            name: text for name, (code, text) in refused.items() if code not in REFUSALS and not set(known[name].reads) & set(refused)
        }
        if others:
            name, text = next(iter(others.items()))
            raise Failure(f"planning {name}: error {text}\n  {known[name].engine_sql}", pipeline)
        pipeline.refused += [(known[name], refused[name][0]) for name in sorted(at_fault)]
        pipeline = pipeline.without(at_fault or set(refused))
    return pipeline


def without_large(pipeline: Pipeline) -> Pipeline:
    """Gives the pipeline without views of so many rows that nothing but their size would be tested: joins of joins of counts."""
    oracle = Oracle(pipeline, whole(pipeline), ended=True)
    try:
        gone: set[str] = set()
        for view in pipeline.views:
            if gone & set(view.reads) or oracle.has_more_than(ROWS_MAX, view):
                gone.add(view.relation.name)
        return pipeline.without(gone)
    finally:
        oracle.close()


def compared(pipeline: Pipeline, project: Project, prefix: dict[str, int], *, ended: bool) -> str:
    """Compares all views that are defined at this moment; "" = they are equal."""
    views = [view for view in pipeline.views if ended or view.relation.settled]
    if not views:
        return ""
    got = project.rows(views)
    oracle = Oracle(pipeline, prefix, ended=ended)
    try:
        for view in views:
            wanted = oracle.rows(view)
            if ended and wanted:
                pipeline.filled.add(view.relation.name)
            if found := difference(view.relation, got[view.relation.name], wanted):
                return f"{found}\n  {view.construct}: {view.engine_sql}"
            if ended and view.relation.name in pipeline.sinks and (found := difference(view.relation, project.sunk(view), wanted)):
                return f"in the sink: {found}\n  {view.construct}: {view.engine_sql}"
    finally:
        oracle.close()
    return ""


def whole(pipeline: Pipeline) -> dict[str, int]:
    return {source.name: len(source.records) for source in pipeline.sources}


def check(pipeline: Pipeline, directory: Path, shards: int, *, optimize: bool = True) -> Failure | None:
    """Runs over bounded files to the end; None = all views are right."""
    project = Project(pipeline, directory, "bounded", optimize=optimize)
    project.write()
    words = f"--shards {shards}" + ("" if optimize else ", not optimised")
    try:
        project.run_to_end(shards)
        found = compared(pipeline, project, whole(pipeline), ended=True)
    except EngineError as error:
        found = str(error)
    return Failure(f"[{words}] {found}", pipeline, shards, optimize=optimize) if found else None


def check_durable(pipeline: Pipeline, directory: Path, shards: int) -> Failure | None:
    """Runs over followed files until all they hold is durable, once; None = all views are right then."""
    project = Project(pipeline, directory, "follow")
    project.write()
    try:
        project.run_until_durable(whole(pipeline), shards)
        found = compared(pipeline, project, whole(pipeline), ended=False)
    except EngineError as error:
        found = str(error)
    return Failure(f"[following, --shards {shards}] {found}", pipeline, shards, prefix=whole(pipeline)) if found else None


def check_piecewise(pipeline: Pipeline, directory: Path, random: Random) -> int:
    """Runs over growing files with kills in between; gives how many durable ticks were compared.

    Raises:
        Failure: a durable tick, or the end, is wrong.
    """
    project = Project(pipeline, directory, "follow")
    project.write()
    given: dict[str, int] = {source.name: len(source.records) if source.kind == "static" else 0 for source in pipeline.sources}
    ticks = 0
    for _ in range(random.randint(1, PIECES)):
        until = {name: random.randint(given[name], count) for name, count in whole(pipeline).items()}
        until |= {source.name: given[source.name] for source in pipeline.sources if source.kind == "static"}
        shards = random.choice([1, 2, 3, 7])
        given = until
        where = f"[following, --shards {shards}]"
        try:
            project.run_until_durable(until, shards, random)
            durable = project.durable()
            if durable is None:
                continue
            ticks += 1
            found = compared(pipeline, project, given_static(pipeline) | durable, ended=False)
        except EngineError as error:
            raise Failure(f"{where} {error}", pipeline) from None
        if found:
            raise Failure(f"{where} at the durable tick of {durable}: {found}", pipeline, shards, prefix=durable)
    project.give(whole(pipeline))
    try:
        project.run_to_end(random.choice([1, 2, 3, 7]))
        found = compared(pipeline, project, whole(pipeline), ended=True)
    except EngineError as error:
        found = str(error)
    if found:
        raise Failure(f"[followed to the end] {found}", pipeline)
    shutil.rmtree(directory)
    return ticks


def given_static(pipeline: Pipeline) -> dict[str, int]:
    """Tables are whole from the beginning."""
    return {source.name: len(source.records) for source in pipeline.sources if source.kind == "static"}
