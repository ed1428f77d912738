"""What a command costs: CPU seconds of its process tree, wall seconds, peak memory; and the order in which points are compared."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

_PR_SET_CHILD_SUBREAPER = 36
ROOT = Path(__file__).resolve().parents[1]
BINARY = Path(os.environ.get("HEADRACE_BIN") or ROOT / "build" / "headrace")


class RunFailed(Exception):
    """The command ended otherwise than it should have; the message holds what it said."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one process and all that came of it."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    said: str
    """What it printed."""


def cost_of(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Runs a command to its end.

    Raises:
        RunFailed: its exit code is not 0.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        began = time.monotonic()
        keeper = os.fork()
        if keeper == 0:
            _run_and_wait_for_all(command, environment, output.fileno())
        _, status, usage = os.wait4(keeper, 0)
        wall_s = time.monotonic() - began
        code = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if code != 0:
        raise RunFailed(f"exit {code}\n{said}")
    return Cost(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024, said)


def _run_and_wait_for_all(command: Sequence[str], environment: Mapping[str, str], output: int) -> NoReturn:
    """In a process of its own, which also inherits children whose parent has ended without waiting for them: the time of an engine's
    Python processes, which end with it, would be nobody's."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        code = process.wait()
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
    finally:
        os._exit(code if code >= 0 else 128 - code)


def engine_environment(**variables: str) -> dict[str, str]:
    """Gives what an engine out of this clone needs around it, and the project's variables."""
    out = {"HEADRACE_PYTHON": sys.executable, "HEADRACE_SHARE": str(ROOT), **os.environ, **variables}
    return out | {"PYTHONPATH": str(ROOT / "python")}


def run_to_end(project: Path, shards: int, **variables: str) -> Cost:
    """Runs a project over its bounded sources."""
    return cost_of([str(BINARY), "run", str(project), "--until-end", "--shards", str(shards)], engine_environment(**variables))


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Gives the median with the least and the greatest."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"
