"""docs/reference/semantics.md has every point, and each test that it names is there."""

from __future__ import annotations

import re

import tree

PAGE = tree.ROOT / "docs" / "reference" / "semantics.md"
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*) ?\|$", re.MULTILINE)


def test_every_point_is_there_once() -> None:
    """Fifty-six rows, in order."""
    assert [int(number) for number, *_ in ROW.findall(PAGE.read_text())] == list(range(1, 57))


def test_every_named_test_exists() -> None:
    """A row without a test says that there is nothing to test."""
    wrong = []
    for number, _, here, tests in ROW.findall(PAGE.read_text()):
        named = re.findall(r"`(tests/[^`]+)`", tests)
        wrong += [f"{number}: {name} does not exist" for name in named if not (tree.ROOT / name).is_file()]
        if not named and not here.startswith(("Absent", "Refused")):
            wrong.append(f"{number}: neither a test nor a reason")
    assert not wrong, "\n".join(wrong)
