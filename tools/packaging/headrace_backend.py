"""The build backend of `pip install .`: brings onto the machine what compiling needs, then scikit-build-core makes the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from scikit_build_core import build as core

ROOT = Path(__file__).resolve().parents[2]

get_requires_for_build_sdist = core.get_requires_for_build_sdist
build_sdist = core.build_sdist


def prepare() -> None:
    """Runs the set-up's steps that a wheel needs; its own message says what to do where one cannot be done."""
    # pip shows its build environment to child processes through these; the set-up uses the machine's Python.
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE")}
    command = [str(ROOT / "tools" / "setup"), "--for", "wheel", "--only", "packages,duckdb,console"]
    code = subprocess.run(command, env=clean, stdout=sys.stderr, check=False).returncode
    if code:
        raise SystemExit(code)
    os.environ.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
    os.environ.setdefault("CCACHE_BASEDIR", str(ROOT))
    os.environ.setdefault("CCACHE_NOHASHDIR", "1")


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """Prepares first: scikit-build-core asks for a CMake of its own where the machine has none."""
    prepare()
    return core.get_requires_for_build_wheel(config_settings)


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Makes the wheel."""
    prepare()
    return core.build_wheel(wheel_directory, config_settings, metadata_directory)
