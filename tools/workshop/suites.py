"""The suites of checks and tests, found by folder: who adds a test drops a file, nothing is listed here.

tests/<room>/*_test.cc     GoogleTest, run by ctest                 suite "unit"
tests/<folder>/test_*.py   pytest                                   suite named after the folder
tests/slt/**/*.slt         headrace test FILE                       "slt"
web/unit, tests/browser    Node's test runner                       "console", "browser"
tests/campaigns/*.py       a program; --short; closing line         "campaigns"
tests/heavy/test_*.py      pytest, only with --all                  "heavy"
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workshop import outcome
from workshop.place import BINARY, BUILD, PYTHON, ROOT

TESTS = ROOT / "tests"
REPORTS = BUILD / "reports"
CPP_ROOTS = ("src", "tests", "bench")
PYTHON_ROOTS = ("bench", "python", "examples", "tests", "tools")
SLOW_FOLDERS = ("examples", "sql_cases")
"""Folders of pytest files that `--fast` leaves out."""
DISTRIBUTION = {"python": "loadfile", "examples": "loadfile", "sql_cases": "load"}
"""Folders of pytest files that two processes share, and how: file by file where the tests of a file share an engine or data."""


@dataclass(frozen=True)
class Step:
    """One command of a suite, and how its tests are counted."""

    command: Sequence[str]
    count: outcome.Count
    cwd: Path = ROOT
    report: Path | None = None


@dataclass(frozen=True)
class Suite:
    """Tests that are run and reported together."""

    name: str
    steps: Sequence[Step] = field(default_factory=tuple)
    limit_s: int = 600
    parallel: int = 1
    """How many of its steps run at a time."""
    absent: str = ""
    """Why it cannot run here; "" = it can."""


def cpp_files() -> list[str]:
    """Lists the C++ files of the project."""
    return sorted(str(path.relative_to(ROOT)) for top in CPP_ROOTS for path in (ROOT / top).rglob("*") if path.suffix in (".cc", ".h"))


def python_roots() -> list[str]:
    """Lists the folders with Python."""
    return [top for top in PYTHON_ROOTS if (ROOT / top).is_dir()]


def checks() -> list[Suite]:
    """Gives what `tools/dev check` runs: format, lint, types, structure, and the tests that take seconds."""
    clang_format = [["clang-format", "--dry-run", "-Werror", *files] for files in [cpp_files()] if files]
    ruff = str(PYTHON.parent / "ruff")
    formats = [Step(command, outcome.by_exit) for command in clang_format]
    formats.append(Step([ruff, "format", "--check", *python_roots()], outcome.by_exit))
    lints = [Step([ruff, "check", *python_roots()], outcome.by_exit)]
    types = [Step([str(PYTHON), "-m", "mypy", "python/headrace", "tools/workshop"], outcome.by_exit)]
    scripts = console_scripts()
    lints += [Step(["npm", "run", "--silent", name], outcome.by_exit, ROOT / "web") for name in ("lint",) if name in scripts]
    types += [Step(["npm", "run", "--silent", name], outcome.by_exit, ROOT / "web") for name in ("types",) if name in scripts]
    return [
        Suite("format", formats, parallel=2),
        Suite("lint", lints, parallel=2),
        Suite("types", types, parallel=2),
        pytest_suite("structure"),
        unit(),
    ]


def tests(*, fast: bool, everything: bool) -> list[Suite]:
    """Gives the suites after the checks, the quick ones first."""
    found = [pytest_suite(folder.name) for folder in sorted(TESTS.iterdir()) if folder.name != "heavy" and any(folder.glob("**/test_*.py"))]
    by_pytest = [suite for suite in found if suite.name not in ("structure", *SLOW_FOLDERS)]
    out = [*by_pytest, console(), golden()]
    if not fast:
        out += [suite for suite in found if suite.name in SLOW_FOLDERS]
        out += [browser(), campaigns()]
    if everything and (TESTS / "heavy").is_dir():
        out.append(pytest_suite("heavy", limit_s=3600))
    return [suite for suite in out if suite.steps or suite.absent]


def unit(text: str = "") -> Suite:
    """The C++ tests, through ctest; `text` narrows them to names with it."""
    report = REPORTS / "unit.xml"
    command = [
        "ctest",
        "--test-dir",
        str(BUILD),
        "--parallel",
        "2",
        "--output-on-failure",
        "--timeout",
        "300",
        "--output-junit",
        str(report),
    ]
    command += ["--tests-regex", text] if text else []
    return Suite("unit", [Step(command, outcome.by_junit(report), report=report)], limit_s=1800)


def pytest_suite(folder: str, text: str = "", *, limit_s: int = 1800) -> Suite:
    """The pytest files of one folder of tests/; `text` is a file below it or part of a name."""
    report = REPORTS / f"{folder}.xml"
    command = [
        str(PYTHON),
        "-m",
        "pytest",
        "--quiet",
        f"--junit-xml={report}",
        f"tests/{text}" if text.startswith(f"{folder}/") else f"tests/{folder}",
    ]
    if text and not text.startswith(f"{folder}/"):
        command += ["-k", text]
    if not text and folder in DISTRIBUTION:
        command += ["--numprocesses=2", f"--dist={DISTRIBUTION[folder]}"]
    return Suite(folder, [Step(command, outcome.by_junit(report), report=report)], limit_s)


def golden(text: str = "") -> Suite:
    """The golden texts, each file in a run of its own, so that one that crashes takes no other with it."""
    files = [path for path in sorted((TESTS / "slt").rglob("*.slt")) if text in str(path.relative_to(TESTS))]
    steps = [Step([str(BINARY), "test", str(path.relative_to(ROOT))], outcome.by_closing_line) for path in files]
    return Suite("slt", steps, parallel=2, absent="" if BINARY.exists() else "build/headrace is not there")


def console_scripts() -> dict[str, str]:
    """Gives the npm scripts of the console."""
    package = ROOT / "web" / "package.json"
    scripts: dict[str, str] = json.loads(package.read_text())["scripts"] if package.exists() else {}
    return scripts


def console() -> Suite:
    """The console's own unit tests."""
    steps = [Step(["npm", "run", "--silent", "unit"], outcome.by_node, ROOT / "web")] if "unit" in console_scripts() else []
    return Suite("console", steps)


def browser(text: str = "") -> Suite:
    """The tests that drive the console in Chromium; they start what they need themselves."""
    files = [path for path in sorted((TESTS / "browser").glob("**/*.test.*")) if text in str(path.relative_to(TESTS))]
    command = ["node", "--test", "--test-concurrency=2", "--test-reporter=spec", *(str(path) for path in files)]
    return Suite("browser", [Step(command, outcome.by_node, ROOT / "web")] if files else [], limit_s=1200)


def campaigns(text: str = "") -> Suite:
    """Long random runs in their short form."""
    files = [
        path
        for path in sorted((TESTS / "campaigns").glob("*.py"))
        if text in str(path.relative_to(TESTS)) and '"--short"' in path.read_text()
    ]
    steps = [Step([str(PYTHON), str(path.relative_to(ROOT)), "--short"], outcome.by_closing_line) for path in files]
    return Suite("campaigns", steps, limit_s=1200, parallel=2, absent="" if BINARY.exists() else "build/headrace is not there")


def chosen(wish: str) -> Suite:
    """Gives the suite that a filter names: `SUITE`, `SUITE:TEXT` (names with this text) or a path below tests/.

    Raises:
        LookupError: nothing is called so.
    """
    name, _, text = wish.removeprefix("tests/").partition(":") if ":" in wish else (wish.removeprefix("tests/").partition("/")[0], "", "")
    path = wish.removeprefix("tests/")
    if "/" in path and not text:
        text = path
    special = {"slt": golden, "browser": browser, "campaigns": campaigns}
    if name in special:
        return special[name](text)
    if name == "unit":
        return unit(text)
    for suite in [*checks(), console()]:
        if suite.name == name and not text:
            return suite
    if any((TESTS / name).glob("**/test_*.py")):
        return pytest_suite(name, text)
    raise LookupError(
        f"no suite is called '{name}'; there are {', '.join(suite.name for suite in [*checks(), *tests(fast=False, everything=True)])}"
    )
