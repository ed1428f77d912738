"""Every case gives its answer on 1, 2 and 7 shards, and after kills at random moments.

A case that the planner refuses is an expected failure, "not yet", whatever its name. A wrong answer is a failure.
"""

from __future__ import annotations

import functools
from pathlib import Path

import growing_project
import pytest
import shared_cases

CASES = shared_cases.case_folders(stepwise=False)

CONTRADICTED = {"nexmark-q102": "its answer divides whole numbers as whole numbers; here a / b is a DOUBLE (docs/reference/sql.md, Values)"}
"""Cases whose answer rests on another rule than ours. Should one pass, the rule was changed, and the test says so."""


def judge(case: Path, outcome: str | None) -> None:
    """Passes on an equal answer, takes a refusal as not yet, fails otherwise."""
    if refusal := shared_cases.refusal(outcome):
        pytest.xfail(f"not yet: {refusal}")
    if reason := CONTRADICTED.get(case.name):
        assert outcome is not None, f"{case.name} passes: {reason}?"
        pytest.xfail(reason)
    assert outcome is None, outcome


@functools.cache
def answer(case: Path, shards: int) -> str | None:
    """Runs a case as the tool does; None = its answer is right."""
    _, why = shared_cases.tool().run_case(case, [str(shared_cases.BINARY)], None, ("--shards", str(shards)))
    return str(why) if why else None


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
@pytest.mark.parametrize("shards", [1, 2, 7])
def test_answer(case: Path, shards: int) -> None:
    judge(case, answer(case, shards))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_answer_after_kills(case: Path, tmp_path: Path) -> None:
    """Rows come in pieces while the engine runs and is killed; the state directory stays."""
    if shared_cases.refusal(answer(case, 1)):
        judge(case, answer(case, 1))
    judge(case, growing_project.answer_after_kills(case, tmp_path))
