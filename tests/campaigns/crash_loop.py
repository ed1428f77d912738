"""Kills the engine again and again, lets it recover over the same state directory, and compares what is there in the end with an
uninterrupted run: views, sinks, lake table, books. Nothing may be lost, nothing may be there twice.

    python tests/campaigns/crash_loop.py [--short] [--kills 200] [--seed 1]

Each *life* is one state directory: runs that are killed with SIGKILL, at a random moment or inside a named crash point
(`crash_point("...")` in src, through HEADRACE_CRASH), then one that may end. Two projects take turns, on 1, 2 and 3 shards. At least three
kills in ten are inside a checkpoint, a commit or the log.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import engine
from headrace.demo import fraud, prepare

KILLS_PER_LIFE = 8
KILLS_PER_LIFE_SHORT = 2
RUN_LIMIT_S = 600
POINT_NAMES = re.compile(r'crash_point\("(\w+)"\)')


@dataclass(frozen=True)
class Case:
    """A project with its data, and what of it is compared."""

    name: str
    project: Path
    data: Path
    source: str
    views: tuple[str, ...]
    points: tuple[str, ...]
    """How the names of the crash points begin that its runs can pass."""
    lake_tables: tuple[str, ...] = ()
    sink_files: tuple[str, ...] = ()

    def variables(self, out: Path) -> dict[str, str]:
        """Gives what the project's SQL asks for."""
        return {"DEMO_DATA": str(self.data), "FRAUD_DATA": str(self.data), "FRAUD_OUT": str(out)}


@dataclass
class Life:
    """One state directory, from the first run to the one that ended."""

    case: str
    shards: int
    kills: list[str] = field(default_factory=list)
    differences: dict[str, str] = field(default_factory=dict)


def crash_points() -> list[str]:
    """Finds every named crash point in the sources: checkpoints, sinks, lake, log."""
    files = (engine.ROOT / "src").rglob("*.cc")
    return sorted({name for file in files for name in POINT_NAMES.findall(file.read_text())})


def make_cases(scratch: Path, *, short: bool) -> list[Case]:
    """Prepares the data: the whole year and 100,000 payments, or a slice of each."""
    flights, payments = scratch / "flights", scratch / "payments"
    prepare.prepare(flights, days=20 if short else None)
    fraud.generate(payments, transactions=10_000 if short else 100_000, seed=3, broken=True)
    examples = engine.ROOT / "examples"
    return [
        Case(
            "demo",
            examples / "demo",
            flights,
            "departures",
            points=("checkpoint_", "lake_"),
            lake_tables=("lake.departures",),
            views=("hourly_delays", "rolling_delays", "cancellations", "carriers", "weather_delays", "anomalies"),
        ),
        Case(
            "fraud",
            examples / "fraud",
            payments,
            "tx",
            points=("checkpoint_", "file_sink_"),
            views=("risky", "rule_hits", "by_category", "per_hour"),
            sink_files=("risky.ndjson", "late.ndjson"),
        ),
    ]


def outcome(case: Case, state: Path, out: Path, output: str) -> dict[str, object]:
    """Reads everything that a finished life left behind."""
    found: dict[str, object] = {
        f"view {view}": engine.bag(engine.query(case.project, state, f"SELECT * FROM {view}", variables=case.variables(out)))
        for view in case.views
    }
    for table in case.lake_tables:
        found[f"table {table}"] = engine.bag(engine.lake_rows(state, table))
    for name in case.sink_files:
        found[f"file {name}"] = engine.bag(tuple(json.loads(line).values()) for line in (out / name).open())
    found["books"] = engine.source_books(output, case.source)
    return found


def compare(got: Mapping[str, object], wanted: Mapping[str, object]) -> dict[str, str]:
    """Says what differs, by name; rows as how many are missing and how many too many."""
    out = {}
    for name, expected in wanted.items():
        actual = got[name]
        if isinstance(expected, Counter) and isinstance(actual, Counter):
            if actual != expected:
                out[name] = f"{(expected - actual).total()} rows lost, {(actual - expected).total()} too many"
        elif actual != expected:
            out[name] = f"{actual} instead of {expected}"
    return out


def run_until(
    case: Case, state: Path, out: Path, shards: int, *, after_s: float | None = None, point: str | None = None
) -> tuple[int, str]:
    """Runs the engine until it ends, is killed after `after_s` seconds, or kills itself at `point`. Gives exit code and output.

    Only this process and its own children are ended, by their session.
    """
    environment = engine.environment(case.variables(out))
    environment.pop("HEADRACE_CRASH", None)
    if point is not None:
        environment["HEADRACE_CRASH"] = point
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            engine.run_command(case.project, state, shards=shards),
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(after_s if after_s is not None else RUN_LIMIT_S)
        except subprocess.TimeoutExpired:
            if after_s is None:
                raise engine.EngineError(f"{case.name}: no end after {RUN_LIMIT_S} s") from None
            process.send_signal(signal.SIGKILL)
        code = process.wait()
        if code == -signal.SIGKILL:
            end_orphans(process.pid)
        output.seek(0)
        return code, output.read()


def end_orphans(session: int) -> None:
    """Ends what a killed engine left running, in the session that it had for itself."""
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Campaign:
    """Lives over all cases until enough kills are done."""

    def __init__(self, cases: list[Case], scratch: Path, seed: int, kills_per_life: int) -> None:
        self.cases, self.scratch, self.random = cases, scratch, Random(seed)
        self.kills_per_life = kills_per_life
        self.lives: list[Life] = []
        self.kills: Counter[str] = Counter()
        self.reference: dict[str, dict[str, object]] = {}
        self.run_s: dict[str, float] = {}
        self.untried = {case.name: [name for name in crash_points() if name.startswith(case.points)] for case in cases}
        self.passed: dict[str, list[str]] = {case.name: [] for case in cases}
        for case in cases:
            started = time.monotonic()
            state, out = self.fresh(f"{case.name}-reference")
            code, output = run_until(case, state, out, shards=2)
            if code != 0:
                raise engine.EngineError(f"{case.name}, uninterrupted: exit {code}\n{output}")
            run_s = time.monotonic() - started
            self.reference[case.name] = outcome(case, state, out, output)
            self.run_s[case.name] = run_s
            print(f"{case.name}: {run_s:.1f} s uninterrupted, books {self.reference[case.name]['books']}", flush=True)

    def fresh(self, name: str) -> tuple[Path, Path]:
        """Gives a new state directory and a new folder for sinks."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "out").mkdir(parents=True)
        return folder / "state", folder / "out"

    def next_death(self, case: Case, *, first: bool) -> tuple[float | None, str | None]:
        """Draws how to die: after so many seconds, or at a point. A life begins with a point that no life has died at, while there is one:
        a new state directory passes all that there are. Of the others, two in five die at one that this project is known to pass."""
        if first and self.untried[case.name]:
            untried = self.untried[case.name]
            point = min(untried, key=lambda name: self.kills[name])  # Points that neither project has died at come first.
            untried.remove(point)
            return None, point
        if self.passed[case.name] and self.kills.total() - self.kills["random moment"] <= 0.4 * self.kills.total():
            return None, self.random.choice(self.passed[case.name])
        return self.random.uniform(0.05, 0.7) * self.run_s[case.name], None

    def live(self, case: Case, shards: int, kills_max: int) -> Life:
        """Leads one life and compares its end."""
        life = Life(case.name, shards)
        self.lives.append(life)
        state, out = self.fresh(f"{case.name}-{len(self.lives)}")
        code, output = -signal.SIGKILL, ""
        while code == -signal.SIGKILL and len(life.kills) < kills_max:
            after_s, point = self.next_death(case, first=not life.kills)
            code, output = run_until(case, state, out, shards, after_s=after_s, point=f"{point}:1" if point else None)
            if code == -signal.SIGKILL:
                life.kills.append(point or "random moment")
                self.kills[life.kills[-1]] += 1
                if point and point not in self.passed[case.name]:
                    self.passed[case.name].append(point)
        if code == -signal.SIGKILL:
            code, output = run_until(case, state, out, shards)
        if code != 0:
            life.differences["exit"] = f"exit {code} after {life.kills}: {output[-2000:]}"
        else:
            life.differences = compare(outcome(case, state, out, output), self.reference[case.name])
        if not life.differences:
            shutil.rmtree(state.parent)
        return life

    def run(self, kills: int) -> None:
        """Leads lives until `kills` kills are done, those inside named points among them."""
        while self.kills.total() < kills:
            number = len(self.lives)
            case = self.cases[number % len(self.cases)]
            life = self.live(case, shards=1 + number % 3, kills_max=min(self.kills_per_life, kills - self.kills.total()))
            verdict = "equal" if not life.differences else f"DIFFERENT {life.differences}"
            print(f"life {number + 1:>3}  {life.case:<6} {life.shards} shards  {len(life.kills):>2} kills  {verdict}", flush=True)

    def report(self) -> int:
        """Prints the table; gives the exit code."""
        print(f"\n{'killed at':<32} {'times':>6}")
        for kind, times in sorted(self.kills.items()):
            print(f"{kind:<32} {times:>6}")
        unreached = [point for point in crash_points() if not self.kills[point]]
        if unreached:
            print(f"not passed by these projects: {', '.join(unreached)}")
        inside = self.kills.total() - self.kills["random moment"]
        failed = sum(bool(life.differences) for life in self.lives)
        for number, life in enumerate(self.lives, 1):  # Once more where a shortened log shows them.
            if life.differences:
                print(f"life {number}, killed at {', '.join(life.kills)}: {life.case} is DIFFERENT: {life.differences}")
        print(f"{self.kills.total()} kills, {inside} of them inside a checkpoint, a commit or the log; {len(self.lives)} lives")
        if inside * 10 < self.kills.total() * 3:
            print("too few kills inside named points")
            failed += 1
        print(f"{len(self.lives) - failed} passed, {failed} failed")
        return 1 if failed else 0


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Kills the engine again and again and compares what is there in the end.")
    parser.add_argument("--short", action="store_true", help="20 kills on a slice of the data")
    parser.add_argument("--kills", type=int, help="how often to kill (default: 200; 20 with --short)")
    parser.add_argument("--seed", type=int, default=1, help="another seed kills at other moments (default: 1)")
    parser.add_argument("--keep", type=Path, help="work in this folder and keep what differs (default: a temporary one)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = given.keep or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        campaign = Campaign(
            make_cases(scratch, short=given.short), scratch, given.seed, KILLS_PER_LIFE_SHORT if given.short else KILLS_PER_LIFE
        )
        campaign.run(given.kills or (20 if given.short else 200))
        return campaign.report()


if __name__ == "__main__":
    sys.exit(main())
