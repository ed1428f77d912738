"""Runs suites one after the other, shows what failed, and closes with the line that people and CI read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from workshop.outcome import Outcome
from workshop.place import BUILD, SHARED, environment
from workshop.suites import REPORTS, Step, Suite

SHOWN_LINES_MAX = 200
REPEATED_LINES_MAX = 30
"""Of each failed command at the very end: often the end of a log is all that one gets to see."""


def say(text: str = "") -> None:
    """Prints a line at once."""
    print(text, flush=True)


def finish(step: Step, limit_s: float) -> tuple[int, str]:
    """Runs a step's command in a process group of its own and ends all of it when its time is over."""
    if step.report:
        step.report.unlink(missing_ok=True)
    try:
        process = subprocess.Popen(
            step.command,
            cwd=step.cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return 127, f"{error}\n"
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return 124, f"{output}\nended after {limit_s:.0f} s, its limit\n"
    return process.returncode, output


@dataclass(frozen=True)
class Failed:
    """A command of which a test failed."""

    step: Step
    exit_code: int
    output: str


def run_suite(suite: Suite) -> tuple[Outcome, list[Failed]]:
    """Runs one suite and prints its section: what failed or was skipped, then the counts and the seconds."""
    say(f"== {suite.name}")
    if suite.absent:
        say(f"   not run: {suite.absent}")
        return Outcome(skipped=max(1, len(suite.steps))), []
    began = time.monotonic()
    total = Outcome()
    failures: list[Failed] = []
    with ThreadPoolExecutor(suite.parallel) as pool:
        for step, (exit_code, output) in zip(suite.steps, pool.map(lambda step: finish(step, suite.limit_s), suite.steps), strict=True):
            counted = step.count(exit_code, output)
            total += counted
            if counted.failed:
                failures.append(Failed(step, exit_code, output))
                show(failures[-1], SHOWN_LINES_MAX)
            else:
                say_skipped(output)
    say(f"   {suite.name}: {total} in {time.monotonic() - began:.1f} s")
    return total, failures


def show(failed: Failed, lines_max: int) -> None:
    """Prints a failed command, so that it can be copied, and the end of what it said."""
    lines = failed.output.rstrip().splitlines()
    command = " ".join(failed.step.command)
    say(f"   $ {command if len(command) < 300 else command[:300] + ' ...'}    (exit {failed.exit_code})")
    if len(lines) > lines_max:
        say(f"     ... {len(lines) - lines_max} lines before")
    for line in lines[-lines_max:]:
        say(f"     {line}")


def repeat(failures: Sequence[Failed]) -> None:
    """Prints once more, behind all suites, how each failed command ended."""
    if failures:
        say("\n== what failed")
    for failed in failures:
        show(failed, REPEATED_LINES_MAX)


def say_skipped(output: str) -> None:
    """Prints the reasons that pytest gives for tests that did not run."""
    for line in output.splitlines():
        if line.startswith("SKIPPED ["):
            say(f"   {line}")


def run_all(suites: Sequence[Suite]) -> int:
    """Runs suites in order and prints the closing line. Gives the exit code: 1 when a test failed or none ran."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    if not SHARED.is_dir():
        say(f"{SHARED} is not here: tests that need it are skipped and say so")
    began = time.monotonic()
    total = Outcome()
    slow: list[tuple[float, str]] = []
    failures: list[Failed] = []
    for suite in suites:
        start = time.monotonic()
        outcome, failed = run_suite(suite)
        total += outcome
        failures += failed
        slow.append((time.monotonic() - start, suite.name))
    if len(suites) > 1:
        repeat(failures)
    seconds = ", ".join(f"{name} {taken:.0f} s" for taken, name in slow)
    say(f"\n{seconds}; together {time.monotonic() - began:.0f} s. Reports: {REPORTS.relative_to(BUILD.parent)}")
    say(str(total))
    sys.stdout.flush()
    return 1 if total.failed or not total.passed else 0
