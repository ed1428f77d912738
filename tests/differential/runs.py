"""The engine over a generated pipeline: planned, run to the end, or run over growing files and killed at durable ticks."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import duckdb
from oracle import Row, rows_sql, signless
from pipelines import Pipeline
from relations import View

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEADRACE_BIN") or ROOT / "build" / "headrace")
REFUSALS = (2006, 2010)
"""Codes of what the planner says it does not run, or does not run over a result that changes."""
LIMIT_S = 60


class EngineError(Exception):
    """The engine did what no engine should: it crashed, hung, or ended with an error."""


def environment(crash: str = "") -> dict[str, str]:
    out = dict(os.environ)
    out.setdefault("HEADRACE_PYTHON", sys.executable)
    out.setdefault("HEADRACE_SHARE", str(ROOT))
    out["PYTHONPATH"] = str(ROOT / "python")
    out.pop("HEADRACE_CRASH", None)
    return out | ({"HEADRACE_CRASH": crash} if crash else {})


@dataclass
class Project:
    """A pipeline as a project directory; its files hold what was given so far."""

    pipeline: Pipeline
    directory: Path
    mode: str
    state: str = ".headrace"
    optimize: bool = True
    given: dict[str, int] = field(default_factory=dict)
    """How many records of each source its file holds, when it is followed."""

    def write(self) -> None:
        """Writes it anew: one file per statement, so that an error names its statement; nothing is given yet."""
        shutil.rmtree(self.directory, ignore_errors=True)
        (self.directory / "sql").mkdir(parents=True)
        (self.directory / "headrace.toml").write_text(
            'name = "differential"\n[engine]\ncheckpoint_interval_ms = 1\n' + ("" if self.optimize else "optimize = false\n")
        )
        for source in self.pipeline.sources:
            path = f"{source.name}.ndjson"
            (self.directory / "sql" / f"00_{source.name}.sql").write_text(source.declaration(path, self.mode) + "\n")
            whole = self.mode == "bounded" or source.kind == "static"
            (self.directory / path).write_text("".join(record.text + "\n" for record in source.records) if whole else "")
        for number, view in enumerate(self.pipeline.views, 1):
            (self.directory / "sql" / f"{number:02}_{view.relation.name}.sql").write_text(
                f"CREATE MATERIALIZED VIEW {view.relation.name} AS\n{view.engine_sql};\n"
            )
        for name in sorted(self.pipeline.sinks):
            options = f"connector = 'file', path = '{SINK}{name}.ndjson', changes = 'retract', op_column = '_op'"
            (self.directory / "sql" / f"99_{SINK}{name}.sql").write_text(
                f"CREATE SINK {SINK}{name} WITH ({options}) AS SELECT * FROM {name};\n"
            )

    def give(self, until: dict[str, int]) -> None:
        """Appends records to the files, up to these counts."""
        for source in self.pipeline.sources:
            new = source.records[self.given.get(source.name, 0) : until[source.name]]
            self.given[source.name] = max(self.given.get(source.name, 0), until[source.name])
            if new and source.kind != "static":
                with (self.directory / f"{source.name}.ndjson").open("a") as file:
                    file.write("".join(record.text + "\n" for record in new))

    def refused(self) -> dict[str, tuple[int, str]]:
        """Asks the planner; gives the code and the message of each view that it refuses.

        Raises:
            EngineError: it crashed, or refused a source.
        """
        done = self.call("check", str(self.directory), state=False)
        if done.returncode not in (0, 2):
            raise EngineError(f"check: exit {done.returncode}\n{done.stdout}{done.stderr}")
        out: dict[str, tuple[int, str]] = {}
        for name, code, text in re.findall(r"^sql/\d+_(\w+)\.sql:\S* error (\d+) (.*(?:\n  .*)*)", done.stdout + done.stderr, re.MULTILINE):
            out.setdefault(name, (int(code), text))
        if done.returncode == 2 and not out:
            raise EngineError(f"check refuses without a place:\n{done.stdout}{done.stderr}")
        return out

    def call(self, *words: str, state: bool = True, crash: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(BINARY), *words, *(["--state", str(self.directory / self.state)] if state else [])]
        try:
            return subprocess.run(command, env=environment(crash), capture_output=True, text=True, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            raise EngineError(f"{' '.join(words)}: no end after {LIMIT_S} s") from None

    def run_to_end(self, shards: int) -> None:
        """Runs until all input is read.

        Raises:
            EngineError: it did not end well, or its books do not balance.
        """
        done = self.call("run", str(self.directory), "--until-end", "--shards", str(shards))
        if done.returncode != 0 or "books: balanced" not in done.stdout:
            raise EngineError(f"exit {done.returncode}\n{done.stdout}{done.stderr}")

    def rows(self, views: Sequence[View]) -> dict[str, list[Row]]:
        """Asks the last durable state for all views at once."""
        sql = "SELECT " + ", ".join(rows_sql(view.relation) for view in views)
        done = self.call("query", str(self.directory), sql)
        if done.returncode != 0:
            raise EngineError(f"query: exit {done.returncode}\n{done.stderr}")
        answers = json.loads(done.stdout)["rows"][0]
        return {view.relation.name: [signless(row) for row in answer or []] for view, answer in zip(views, answers, strict=True)}

    def sunk(self, view: View) -> list[Row]:
        """Reads what a sink's changes leave.

        Raises:
            EngineError: a row was taken back that was not there.
        """
        path = self.directory / f"{SINK}{view.relation.name}.ndjson"
        spec = ", ".join(f"{column.name}: '{column.type.strip()}'" for column in view.relation.columns)
        cells = ", ".join(f"CAST({column.name} AS VARCHAR)" for column in view.relation.columns)
        lines = duckdb.sql(
            f"SELECT _op, {cells} FROM read_json('{path}', format = 'newline_delimited', columns = {{_op: 'VARCHAR', {spec}}})"
        ).fetchall()
        left: Counter[Row] = Counter()
        for op, *row in lines:
            left[signless(row)] += 1 if op in ("+I", "+U") else -1
            if left[signless(row)] < 0:
                raise EngineError(f"sink {view.relation.name} took back {row}, which was not there")
        return list(left.elements())

    def durable(self) -> dict[str, int] | None:
        """Reads how many records of each source the last durable tick holds; None = there is none."""
        try:
            manifest = json.loads((self.directory / self.state / "checkpoint.json").read_text())
        except FileNotFoundError:
            return None
        return {name: int(source["read"]) for name, source in manifest["sources"].items()}

    def run_until_durable(self, until: dict[str, int], shards: int, random: Random | None = None) -> None:
        """Runs until all records up to `until` are durable, then kills it with SIGKILL.

        With `random`, records come a few at a time, so that there are many ticks; and now and then it is killed sooner, at a random moment
        or at a point of a checkpoint.

        Raises:
            EngineError: it ended by itself, or the records never became durable.
        """
        draw = random.random() if random else 1
        crash = f"{random.choice(POINTS)}:{random.randint(1, 2)}" if random and draw < 0.2 else ""
        limit_s = random.uniform(0.01, 0.08) if random and 0.2 <= draw < 0.4 else LIMIT_S
        most = random.choice([3, 12, 50]) * (1 + max(until.values()) // 200) if random else max(until.values())

        def few() -> int:
            return random.randint(0, most) if random else most

        command = [str(BINARY), "run", str(self.directory), "--no-listen", "--shards", str(shards)]
        command += ["--state", str(self.directory / self.state)]
        with (self.directory / "log").open("w+") as log:
            process = subprocess.Popen(command, env=environment(crash), stdout=log, stderr=log)
            started = time.monotonic()
            while process.poll() is None and time.monotonic() - started < limit_s and not self.holds(until):
                self.give({name: min(count, self.given.get(name, 0) + few()) for name, count in until.items()})
                time.sleep(0.002)
            held = self.holds(until)
            self.give(until)
            process.kill()
            code = process.wait()
            log.seek(0)
            if code not in (-signal.SIGKILL,) or (not held and not crash and limit_s == LIMIT_S):
                raise EngineError(f"exit {code} while it followed its files, durable {self.durable()} of {until}\n{log.read()}")

    def holds(self, until: dict[str, int]) -> bool:
        durable = self.durable()
        return durable is not None and all(durable.get(name, 0) >= count for name, count in until.items() if name in durable)


SINK = "out_"
POINTS = ("checkpoint_begin", "checkpoint_segment_written", "checkpoint_segment_synced", "checkpoint_manifest_written")
