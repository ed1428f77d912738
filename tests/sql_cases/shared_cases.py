"""The streaming SQL cases of `../shared/data/sql_cases`, and the tool that makes projects of them and compares their answers.

The cases and the tool lie beside the project, not in it; the form of project that the tool writes is a contract.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEADRACE_BIN") or ROOT / "build" / "headrace")


@functools.cache
def folder() -> Path | None:
    """Finds the shared folder: HEADRACE_SHARED, or beside the project or one of the folders above it."""
    given = os.environ.get("HEADRACE_SHARED")
    places = [Path(given)] if given else [parent / "shared" for parent in ROOT.parents]
    return next((place for place in places if (place / "tools" / "sql_cases.py").exists()), None)


@functools.cache
def tool() -> ModuleType:
    """Loads the tool as a module."""
    place = folder()
    assert place is not None
    spec = importlib.util.spec_from_file_location("headrace_sql_cases", place / "tools" / "sql_cases.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def case_folders(*, stepwise: bool) -> list[Path]:
    """Lists the cases with rows (False) or with steps (True); a few are both."""
    place = folder()
    if place is None:
        return []
    found = [path.parent for path in sorted((place / "data" / "sql_cases").glob("*/case.json"))]
    if stepwise:
        return [path for path in found if (path / "steps.json").exists()]
    return [path for path in found if any(table["row_count"] for table in description(path)["tables"].values())]


def description(case: Path) -> dict[str, Any]:
    """Reads what a case says of itself."""
    read: dict[str, Any] = json.loads((case / "case.json").read_text())
    return read


def set_environment() -> None:
    """Sets for this process, and so for the tool's children, what the engine asks for."""
    os.environ.setdefault("HEADRACE_PYTHON", sys.executable)
    os.environ.setdefault("HEADRACE_SHARE", str(ROOT))
    package = str(ROOT / "python")
    if package not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))


def refusal(outcome: str | None) -> str:
    """Says why the planner refused a project; "" = it did not: the outcome is an answer, right or wrong."""
    found = re.match(r"exit 2: .*?(error \d+ \(\w+\)[^|]*)", outcome or "")
    return found[1].strip() if found else ""
