"""What a command costs: CPU seconds of its process tree, wall seconds, peak memory; and the order in which points are compared."""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BINARY = Path(os.environ.get("HEADRACE_BIN") or ROOT / "build" / "headrace")


class RunFailed(Exception):
    """The command ended otherwise than it should have; the message holds what it said."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one process and those that it waited for."""

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
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if process.returncode != 0:
        raise RunFailed(f"exit {process.returncode}\n{said}")
    return Cost(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024, said)


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
