"""A case whose files grow while the engine runs over them, is killed with SIGKILL and started again, over one state directory."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from random import Random

import shared_cases

KILLS = 4
POINTS = ("checkpoint_begin", "checkpoint_sink_prepared", "checkpoint_segment_written", "checkpoint_manifest_written", "file_sink_commit")
RUN_LIMIT_S = 120


class GrowingFile:
    """A file that gets its lines piece by piece."""

    def __init__(self, whole: Path, path: Path) -> None:
        self.lines, self.path, self.given = whole.read_bytes().splitlines(keepends=True), path, 0
        path.write_bytes(b"")

    def grow(self, lines: int) -> None:
        with self.path.open("ab") as file:
            file.writelines(self.lines[self.given : self.given + lines])
        self.given += lines


def answer_after_kills(case: Path, scratch: Path) -> str | None:
    """Runs a case with kills in between; None = the final answer is right."""
    random = Random(case.name)
    files = make(case, scratch / "growing")
    project = scratch / "growing"
    if refused(project):
        # A table that is read before all else cannot grow: it is whole, and kills fall on the points of a checkpoint.
        shutil.rmtree(project)
        project, files = scratch / "whole", []
        make_project(case, project)
    for _ in range(KILLS):
        for file in files:
            file.grow(random.randrange(len(file.lines) // KILLS + 2))
        run_and_kill(project, random, follow=bool(files))
    for file in files:
        file.grow(len(file.lines))
    code, output = run(project, random, "--until-end", limit_s=RUN_LIMIT_S)
    if code != 0:
        return f"exit {code} after kills: {output[-400:]}"
    why = shared_cases.tool().compare(shared_cases.description(case), case, project / "out.ndjson")
    return f"after kills: {why}" if why else None


def make_project(case: Path, project: Path) -> None:
    """Writes the tool's project, with a checkpoint after each tick."""
    project.mkdir(parents=True)
    shared_cases.tool().project_for(case, shared_cases.description(case), project)
    with (project / "headrace.toml").open("a") as file:
        file.write("\n[engine]\ncheckpoint_interval_ms = 1\n")


def make(case: Path, project: Path) -> list[GrowingFile]:
    """Writes a project that follows its files; they are empty still."""
    make_project(case, project)
    pipeline = project / "sql" / "pipeline.sql"
    text = pipeline.read_text().replace("'mode' = 'bounded'", "'mode' = 'follow', 'max_future' = '0'")
    files = []
    for number, path in enumerate(sorted(set(re.findall(r"'path' = '(/[^']+)'", text)))):
        file = GrowingFile(Path(path), project / f"{number}.ndjson")
        text = text.replace(f"'{path}'", f"'{file.path}'")
        files.append(file)
    pipeline.write_text(text)
    return files


def refused(project: Path) -> bool:
    """Asks whether the planner takes the project."""
    return subprocess.run([shared_cases.BINARY, "check", project], capture_output=True, check=False).returncode == 2


def run_and_kill(project: Path, random: Random, *, follow: bool) -> None:
    """Runs until a random moment, or to a point within a checkpoint."""
    if follow and random.random() < 0.6:
        run(project, random, limit_s=random.uniform(0.03, 0.25))
    else:
        point = f"{random.choice(POINTS)}:{random.randint(1, 3) if follow else 1}"
        run(project, random, *([] if follow else ["--until-end"]), limit_s=0.5 if follow else RUN_LIMIT_S, crash=point)


def run(project: Path, random: Random, *options: str, limit_s: float, crash: str = "") -> tuple[int, str]:
    """Runs the engine and kills it at the limit; gives exit code and output."""
    shards = str(random.randint(1, 3))
    environment = os.environ | ({"HEADRACE_CRASH": crash} if crash else {})
    command = [str(shared_cases.BINARY), "run", str(project), "--no-listen", "--shards", shards, *options]
    with (project / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
        code = process.wait()
        if code == -signal.SIGKILL:
            end_orphans(process.pid)
    return code, (project / "log").read_text(errors="replace")


def end_orphans(session: int) -> None:
    """Ends what a killed engine left running, in the session that it had for itself."""
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        pass
