"""Random pipelines on the engine and on batch DuckDB: at every durable tick each view is the exact answer over a prefix of its inputs.

    python tests/campaigns/differential.py [--short] [--pipelines 2000] [--seed 1] [--only SEED] [--keep DIR] [--whole]

Each pipeline has random sources (append, changelog, upsert, tables; disorder, late rows, NULLs, ties, duplicates, extreme values)
and random views upon views. It is run to its end on two random numbers of shards, once with the plan not optimised, and then over
files that grow in pieces, with SIGKILL in between; each durable tick is compared. What the planner refuses (2006, 2010) is counted,
never a failure. A failure prints its seed, keeps its project, and is made smaller while it still fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "differential"))

import shrinking
from checking import Failure, check, check_piecewise, plan, without_large
from oracle import OracleError
from pipelines import KINDS, Pipeline, random_pipeline

SHORT = 100
TOLD_EVERY = 50
"""Pipelines between two lines of progress."""
SHOWN_MAX = 1000
"""Letters of a failure behind the table."""


@dataclass
class Campaign:
    """Counts over all pipelines."""

    folder: Path
    kinds: Sequence[str] = KINDS
    whole: bool = False
    """A failure is not made smaller."""
    ran: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    ticks: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """By seed, how it failed."""

    def one(self, seed: str) -> None:
        """Generates, plans, runs and compares one pipeline."""
        random = Random(f"run {seed}")
        directory = self.folder / seed
        try:
            pipeline = without_large(plan(random_pipeline(seed, self.kinds), directory))
            self.count(pipeline)
            if not pipeline.views:
                return
            shards = random.sample([1, 2, 3, 7], 2)
            failure = check(pipeline, directory, shards[0])
            failure = failure or check(pipeline, directory, shards[1], optimize=False)
            self.filled.update(view.construct for view in pipeline.views if view.relation.name in pipeline.filled)
            if failure is None:
                self.ticks += check_piecewise(pipeline, directory, random)
                return
        except OracleError as error:
            self.failed[seed] = f"the oracle: {error}"
            print(f"seed {seed}: {self.failed[seed]}", flush=True)
            return
        except Failure as found:
            failure = found
            pipeline = found.pipeline or random_pipeline(seed, self.kinds)
        self.report(seed, pipeline, failure)

    def count(self, pipeline: Pipeline) -> None:
        for view in pipeline.views:
            self.ran[view.construct] += 1
            self.parts.update(view.parts)
        for view, code in pipeline.refused:
            self.refused[f"{view.construct} ({code})"] += 1

    def report(self, seed: str, pipeline: Pipeline, failure: Failure) -> None:
        """Prints a failure, and the smallest pipeline that still fails in the same way."""
        self.failed[seed] = str(failure)
        print(f"seed {seed} FAILED: {failure}\n  project: {self.folder / seed}", flush=True)
        small = None if self.whole else shrinking.smaller(pipeline, self.folder / f"{seed}-small", failure)
        if small is not None:
            print(f"  made smaller:\n{small}", flush=True)

    def table(self, seconds: float, pipelines: int) -> int:
        """Prints the share of each construct and the closing line; gives the exit code."""
        views = self.ran.total() + self.refused.total()
        print(f"\n{'construct':<44} {'ran':>6} {'share':>7} {'with rows':>10}   refused")
        refused: Counter[str] = Counter()
        for name, times in self.refused.items():
            refused[name.rpartition(" (")[0]] += times
        for name in sorted({*self.ran, *refused}):
            share = 100 * self.ran[name] / max(self.ran.total(), 1)
            print(f"{name:<44} {self.ran[name]:>6} {share:>6.1f}% {self.filled[name]:>10}   {refused[name] or ''}")
        print(f"{'inside them:':<44}")
        for name, times in sorted(self.parts.items()):
            print(f"  {name:<42} {times:>6}")
        print(
            f"{pipelines} pipelines, {views} views, {self.refused.total()} of them refused when planned; "
            f"{self.ticks} durable ticks compared before the end, in {seconds:.0f} s"
        )
        for seed, why in self.failed.items():  # Once more where a shortened log shows them.
            print(f"seed {seed} FAILED: {why[:SHOWN_MAX]}")
        if self.failed:
            print(f"failed seeds: {' '.join(self.failed)}")
        print(f"{pipelines - len(self.failed)} passed, {len(self.failed)} failed")
        return 1 if self.failed else 0


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Random pipelines on the engine and on batch DuckDB.")
    parser.add_argument("--short", action="store_true", help=f"{SHORT} pipelines")
    parser.add_argument("--pipelines", type=int, help=f"how many (default: 2,000; {SHORT} with --short)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other pipelines (default: 1)")
    parser.add_argument("--only", help="one pipeline, by the seed that a failure printed, such as 1-17")
    parser.add_argument("--keep", type=Path, help="work in this folder (default: a temporary one; kept when something fails)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of sources, weighted by repetition (default: %(default)s)")
    parser.add_argument("--whole", action="store_true", help="a failing pipeline is not made smaller, which takes its time")
    given = parser.parse_args()
    count = given.pipelines or (SHORT if given.short else 2000)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="differential-"))
    campaign = Campaign(folder, given.kinds.split(","), given.whole)
    seeds = [given.only] if given.only else [f"{given.seed}-{number}" for number in range(1, count + 1)]
    started = time.monotonic()
    for done, seed in enumerate(seeds, 1):
        campaign.one(seed)
        if done % TOLD_EVERY == 0:
            print(
                f"{done} of {len(seeds)} pipelines, {len(campaign.failed)} failed, {time.monotonic() - started:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return campaign.table(time.monotonic() - started, len(seeds))


if __name__ == "__main__":
    sys.exit(main())
