"""The engine of an installed Headrace: the program, its libraries, the console and the examples, and the command that starts it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

FOLDER = Path(__file__).resolve().parent
PROGRAM = FOLDER / "bin" / "headrace"
SHARE = FOLDER / "share"


def environment() -> dict[str, str]:
    """Gives the variables with which the program is started: this interpreter runs the user's functions."""
    return {"HEADRACE_PYTHON": sys.executable} | os.environ | {"HEADRACE_SHARE": str(SHARE), "HEADRACE_BIN": str(PROGRAM)}


def main() -> NoReturn:
    """Becomes the program; signals and exit codes are its own."""
    os.execve(PROGRAM, [str(PROGRAM), *sys.argv[1:]], environment())
