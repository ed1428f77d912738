"""How many tests passed, read from what each kind of runner leaves behind."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """Counts of tests.

    >>> print(Outcome(2, 0) + Outcome(1, 1, 3))
    3 passed, 1 failed, 3 skipped
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


Count = Callable[[int, str], Outcome]
"""Reads an outcome from a command's exit code and output."""


def by_exit(exit_code: int, output: str) -> Outcome:
    """Counts a command as one test."""
    return Outcome(0, 1) if exit_code else Outcome(1, 0)


def admit(outcome: Outcome, exit_code: int) -> Outcome:
    """Adds a failure where a runner failed without naming a failed test: it crashed, say, or could not read a file.

    >>> print(admit(Outcome(3, 0), -11))
    3 passed, 1 failed
    """
    return outcome + Outcome(0, 1) if exit_code and not outcome.failed else outcome


def by_closing_line(exit_code: int, output: str) -> Outcome:
    """Reads the last line of the form `N passed, N failed[, N skipped]`; a command without one counts as one test.

    >>> print(by_closing_line(1, "book.slt:3: 1 row is missing\\n7 passed, 1 failed\\n"))
    7 passed, 1 failed
    """
    found = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", output, re.MULTILINE)
    if not found:
        return by_exit(exit_code, output)
    passed, failed, skipped = (int(number or 0) for number in found[-1])
    return admit(Outcome(passed, failed, skipped), exit_code)


def by_node(exit_code: int, output: str) -> Outcome:
    """Reads the summary of Node's test runner.

    >>> print(by_node(0, "# tests 4\\n# pass 3\\n# fail 0\\n# cancelled 0\\n# skipped 1\\n# todo 0\\n"))
    3 passed, 0 failed, 1 skipped
    """
    counts = {
        name: int(number) for name, number in re.findall(r"^(?:#|\u2139) (pass|fail|cancelled|skipped|todo) (\d+)$", output, re.MULTILINE)
    }
    if not counts:
        return by_exit(exit_code, output)
    failed = counts.get("fail", 0) + counts.get("cancelled", 0)
    return admit(Outcome(counts.get("pass", 0), failed, counts.get("skipped", 0) + counts.get("todo", 0)), exit_code)


def by_junit(report: Path) -> Count:
    """Reads a JUnit file as ctest and pytest write it. pytest's exit code 5 says that no test was asked for: no failure."""

    def count(exit_code: int, output: str) -> Outcome:
        if not report.exists():
            return by_exit(0 if exit_code == 5 else exit_code, output) if exit_code else Outcome()
        total = Outcome()
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            number = {key: int(suite.get(key) or 0) for key in ("tests", "failures", "errors", "skipped", "disabled")}
            failed, skipped = number["failures"] + number["errors"], number["skipped"]
            # A disabled test is the body of a child process that another test starts.
            total += Outcome(number["tests"] - number["disabled"] - failed - skipped, failed, skipped)
        return admit(total, 0 if exit_code == 5 else exit_code)

    return count
