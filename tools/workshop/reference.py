"""Makes the pages of docs/reference, and the files of other languages, from the tables that the engine itself is made from."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

from workshop.place import BINARY, PYTHON, ROOT, environment

HEAD = "<!-- Made by `tools/dev docs`: do not edit. -->\n\n"
GROUPS = {
    1: "Configuration: a project, an option, a decorator's argument",
    2: "SQL and plans",
    3: "Records and rows",
    4: "Python functions",
    5: "Outside systems and disk",
    6: "Doors: HTTP, Postgres wire, subscriptions",
    9: "A fault of Headrace itself",
}


def errors() -> str:
    """Makes the page of error codes from src/base/error_codes.def."""
    table = (ROOT / "src/base/error_codes.def").read_text()
    rows = [
        (int(number), name, text) for number, name, text in re.findall(r'^HEADRACE_ERROR\((\d+), (\w+), "(.*)"\)$', table, re.MULTILINE)
    ]
    if len(rows) != table.count("\nHEADRACE_ERROR("):
        raise ValueError('src/base/error_codes.def has a line that is not HEADRACE_ERROR(number, name, "text")')
    out = (
        HEAD + "# Errors\n\nEvery error has a number and a name; neither changes its meaning. In Python each is an exception of its own.\n"
    )
    group = 0
    for number, name, text in sorted(rows):
        if number // 1000 != group:
            group = number // 1000
            out += f"\n## {group}xxx · {GROUPS[group]}\n\n| code | name | raised when |\n|---|---|---|\n"
        out += f"| {number} | `{name}` | {text} |\n"
    return out


def from_engine(subject: str) -> Callable[[], str]:
    """Makes a page from what `headrace reference SUBJECT` prints."""

    def make() -> str:
        done = subprocess.run([str(BINARY), "reference", subject], env=environment(), capture_output=True, text=True, check=True)
        return HEAD + done.stdout

    return make


def engine_subjects() -> list[str]:
    """Asks the engine which pages it can print: one name a line."""
    if not BINARY.exists():
        return []
    done = subprocess.run([str(BINARY), "reference"], env=environment(), capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []


def make(*, only_check: bool) -> int:
    """Writes every page that is not current, or with `only_check` names it. Gives 1 where one was not current and only checked."""
    pages = {"errors": errors} | {subject: from_engine(subject) for subject in engine_subjects()}
    stale = 0
    for name, page in pages.items():
        path = ROOT / "docs" / "reference" / f"{name}.md"
        text = page()
        if path.exists() and path.read_text() == text:
            continue
        if only_check:
            print(f"{path.relative_to(ROOT)} is not current: tools/dev docs")
            stale = 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"made {path.relative_to(ROOT)}")
    generator = ROOT / "tools" / "generate_errors.py"
    if generator.exists():
        stale |= subprocess.run([str(PYTHON), str(generator), *(["--check"] if only_check else [])], cwd=ROOT, check=False).returncode
    sys.stdout.flush()
    return stale
