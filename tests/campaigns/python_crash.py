"""Kills the engine and the processes of its functions again and again, over process functions with state and timers and a model that learns
as rows come, and compares what is there in the end with an uninterrupted run: views, quarantine, books.

    python tests/campaigns/python_crash.py [--short] [--kills 100] [--seed 1]

In each *life* (crash_loop.py) functions' processes and the engine are killed in turn at random moments; the last run of a life may end.
A process that dies costs no row, for a batch is tried again in parts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import engine
from crash_loop import compare, end_orphans

KILLS_PER_LIFE = 8
RUN_LIMIT_S = 300
POLL_S = 0.01

FUNCTIONS = '''
"""What a card does, and a model of all cards of a country that learns from each payment what fraud looks like."""

import datetime
import math

import headrace as hr

RATE = 0.05


@hr.process(key="card", state=hr.Schema(n=int, total=float, seen=list[float]), output=hr.Schema(card=str, what=str, n=int, total=float))
class Velocity:
    def on_row(self, key, row, state, timers):
        if row.amount < 0:
            raise ValueError("a negative amount")
        state.n = (state.n or 0) + 1
        state.total = (state.total or 0.0) + row.amount
        state.seen = [*(state.seen or [])[-4:], row.amount]
        timers.at(row.ts + datetime.timedelta(minutes=5), "idle")
        yield key, "row", state.n, sum(state.seen)

    def on_timer(self, key, at, state, timers):
        yield key, "idle", state.n, state.total
        state.n = state.total = state.seen = None


@hr.process(
    key="country",
    state=hr.Schema(n=int, means=list[float], vars=list[float], weights=list[float], bias=float, last=float),
    output=hr.Schema(id=int, score=float),
)
class Learner:
    """Logistic regression over scaled features; all that it has learned is the state."""

    def on_row(self, key, row, state, timers):
        seconds = row.ts.timestamp()
        features = (row.amount, seconds - (state.last or seconds), float(row.ts.hour < 5))
        n = (state.n or 0) + 1
        means, vars, weights = (values or [0.0, 0.0, 0.0] for values in (state.means, state.vars, state.weights))
        moved = [mean + (x - mean) / n for x, mean in zip(features, means)]
        vars = [var + ((x - old) * (x - new) - var) / n for x, old, new, var in zip(features, means, moved, vars)]
        scaled = [(x - mean) / math.sqrt(var) if var else 0.0 for x, mean, var in zip(features, moved, vars)]
        bias = state.bias or 0.0
        score = 1 / (1 + math.exp(-bias - sum(weight * x for weight, x in zip(weights, scaled))))
        step = RATE * (float(row.fraud) - score)
        state.n, state.means, state.vars, state.last = n, moved, vars, seconds
        state.weights, state.bias = [weight + step * x for weight, x in zip(weights, scaled)], bias + step
        yield row.id, score
'''

SQL = """
CREATE SOURCE tx (id BIGINT, ts TIMESTAMP, card VARCHAR, country VARCHAR, amount DOUBLE, fraud BOOLEAN, WATERMARK FOR ts AS ts)
WITH (connector = 'file', path = '${DATA}/tx.ndjson', mode = 'bounded');
CREATE MATERIALIZED VIEW velocity AS SELECT card, what, n, total FROM Velocity(TABLE tx PARTITION BY card);
CREATE MATERIALIZED VIEW scores AS SELECT id, score FROM Learner(TABLE tx PARTITION BY country);
CREATE MATERIALIZED VIEW idle AS SELECT what, count(*) AS times, sum(n) AS n FROM velocity GROUP BY what;
"""
QUERIES = {
    "velocity": "SELECT * FROM velocity",
    "scores": "SELECT * FROM scores",
    "idle": "SELECT * FROM idle",
    "quarantine": "SELECT source, bytes, code FROM quarantine",
}


@dataclass
class Life:
    """One state directory: how often functions' processes and the engine were killed, and what differs in the end."""

    shards: int
    workers: int = 0
    engines: int = 0
    differences: str = ""


def make_project(folder: Path, rows: int, seed: int) -> Path:
    """Writes project and payments; one in a thousand is a row that Velocity refuses."""
    (folder / "project" / "functions").mkdir(parents=True)
    (folder / "project" / "sql").mkdir()
    (folder / "project" / "headrace.toml").write_text('name = "crashing"\n\n[engine]\ncheckpoint_interval_ms = 100\n')
    (folder / "project" / "sql" / "pipeline.sql").write_text(SQL)
    (folder / "project" / "functions" / "cards.py").write_text(FUNCTIONS)
    chance = Random(seed)
    with (folder / "tx.ndjson").open("w") as out:
        for number in range(rows):
            second = number // 4
            row = {
                "id": number,
                "ts": f"2026-01-{1 + second // 86400:02} {second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}",
                "card": f"card-{int(chance.paretovariate(0.6)) % 3000}",
                "country": chance.choice(("DE", "FR", "PL", "TR", "US", "BR", "IN")),
                "amount": -1.0 if chance.random() < 0.001 else round(chance.lognormvariate(3, 1), 2),
                "fraud": chance.random() < 0.05,
            }
            out.write(json.dumps(row) + "\n")
    return folder / "project"


def worker_processes(engine_id: int) -> list[int]:
    """The processes of functions that this engine's session has: children of the process that forks them."""
    parents, workers = set(), {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            session = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # It has just ended.
        if int(session[3]) == engine_id and b"headrace.worker" in command:
            parents.add(int(folder.name))
            workers[int(folder.name)] = int(session[1])
    return sorted(process for process, parent in workers.items() if parent in parents)


def ended(process: subprocess.Popen[bytes], within_s: float) -> bool:
    """Waits so long for the end of the engine, and says whether it came."""
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


class Campaign:
    """Lives, until enough was killed."""

    def __init__(self, scratch: Path, rows: int, seed: int) -> None:
        self.scratch, self.random, self.engine_is_next = scratch, Random(seed), False
        self.project = make_project(scratch, rows, seed)
        self.variables = {"DATA": str(scratch)}
        began = time.monotonic()
        self.wanted = self.outcome(scratch / "reference", self.run(scratch / "reference", 2, Life(2), kills=0))
        self.run_s = time.monotonic() - began
        print(f"{self.run_s:.1f} s uninterrupted, books {self.wanted['books']}", flush=True)

    def outcome(self, state: Path, output: str) -> dict[str, object]:
        """Reads all that a finished life left."""
        found: dict[str, object] = {
            name: engine.bag(engine.query(self.project, state, sql, variables=self.variables)) for name, sql in QUERIES.items()
        }
        return {**found, "books": engine.source_books(output, "tx")}

    def run(self, state: Path, shards: int, life: Life, *, kills: int) -> str:
        """Runs once. With `kills`, processes of functions are killed at random moments, and sometimes the engine in the end; gives what
        it printed, or "" when it was killed.

        Raises:
            EngineError: it ended otherwise.
        """
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                engine.run_command(self.project, state, shards=shards),
                env=engine.environment(self.variables),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            killed = self._kill(process, life, kills) if kills else False
            code = process.wait(RUN_LIMIT_S)
            output.seek(0)
            text = output.read()
        if killed and code == -signal.SIGKILL:
            end_orphans(process.pid)
            life.engines += 1
            return ""
        if code != 0:
            raise engine.EngineError(f"exit {code}\n{text}")
        return text

    def _kill(self, process: subprocess.Popen[bytes], life: Life, kills: int) -> bool:
        """Kills until the engine is among the killed, has ended, or `kills` are done; says whether the engine was killed. A
        function's process is first and the two take turns from life to life, so that both kinds are in every campaign."""
        for _ in range(kills):
            if ended(process, self.random.uniform(0.05, 0.4) * self.run_s):
                return False
            if self.engine_is_next:
                self.engine_is_next = False
                process.send_signal(signal.SIGKILL)
                return True
            while not (workers := worker_processes(process.pid)):
                if ended(process, POLL_S):
                    return False
            with contextlib.suppress(ProcessLookupError):  # It has just ended.
                os.kill(self.random.choice(workers), signal.SIGKILL)
                life.workers += 1
                self.engine_is_next = True
        return False

    def live(self, number: int, kills: int) -> Life:
        """Leads one life and compares its end."""
        life = Life(1 + number % 3)
        state = self.scratch / f"life-{number}"
        output = ""
        while not output:
            output = self.run(state, life.shards, life, kills=max(kills - life.workers - life.engines, 0))
        differences = compare(self.outcome(state, output), self.wanted)
        life.differences = "; ".join(f"{name}: {what}" for name, what in differences.items())
        return life


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Kills engine and functions over keyed state and a model that learns.")
    parser.add_argument("--short", action="store_true", help="8 kills over fewer rows")
    parser.add_argument("--kills", type=int, help="how often to kill (default: 100; 8 with --short)")
    parser.add_argument("--rows", type=int, help="payments (default: 60,000; 15,000 with --short)")
    parser.add_argument("--seed", type=int, default=1, help="another seed kills at other moments (default: 1)")
    given = parser.parse_args()
    wanted = given.kills or (8 if given.short else 100)
    lives: list[Life] = []
    done = 0
    with tempfile.TemporaryDirectory() as scratch:
        campaign = Campaign(Path(scratch), given.rows or (15_000 if given.short else 60_000), given.seed)
        while done < wanted:
            lives.append(campaign.live(len(lives), min(KILLS_PER_LIFE, wanted - done)))
            life = lives[-1]
            done += life.engines + life.workers
            verdict = f"DIFFERENT {life.differences}" if life.differences else "equal"
            print(f"life {len(lives):>3}  {life.shards} shards  engine {life.engines}  functions {life.workers}  {verdict}", flush=True)
    failed = sum(bool(life.differences) for life in lives)
    workers = sum(life.workers for life in lives)
    print(f"{done} kills: {done - workers} of the engine, {workers} of functions' processes; {len(lives)} lives")
    if not 0 < workers < done:
        print("only one of the two was killed: not enough was shown by this")
        failed += 1
    print(f"{max(len(lives) - failed, 0)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
