"""`headrace demo`: every view and the lake table equal batch DuckDB over the same CSV files, row for row."""

from __future__ import annotations

from pathlib import Path

import engine
import oracle_demo
import pytest

PROJECT = oracle_demo.PROJECT
VIEWS = [name for name in oracle_demo.ANSWERS if name != "departures_lake"]

Answers = dict[str, list[engine.Row]]


def check(state: Path, data: Path, output: str, answers: Answers) -> None:
    """Compares everything that a finished run left behind; all differences are shown at once."""
    variables = {"DEMO_DATA": str(data)}
    wrong = {
        name: engine.difference(engine.query(PROJECT, state, f"SELECT * FROM {name}", variables=variables), answers[name]) for name in VIEWS
    }
    wrong["departures_lake"] = engine.difference(engine.lake_rows(state, "lake.departures"), answers["departures_lake"])
    assert {name: text for name, text in wrong.items() if text} == {}
    assert engine.source_books(output, "departures") == (336_776, 336_764, 12)


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_demo_equals_batch(binary: Path, tmp_path: Path, demo_data: Path, demo_answers: Answers, shards: int) -> None:
    """A second run over the same state adds nothing and changes nothing."""
    state, variables = tmp_path / "state", {"DEMO_DATA": str(demo_data)}
    for _ in range(2):
        check(state, demo_data, engine.run(PROJECT, state, shards=shards, variables=variables).output, demo_answers)
    check_ranking(state, demo_data, demo_answers)


def check_ranking(state: Path, data: Path, answers: Answers) -> None:
    """The carrier ranking of the tour: a window function over a view that is kept, asked at query time."""
    sql = "SELECT rank() OVER (ORDER BY avg_arr_delay), carrier FROM carriers ORDER BY 1"
    by_delay = sorted(answers["carriers"], key=lambda row: float(str(row[6])))
    ranked = engine.query(PROJECT, state, sql, variables={"DEMO_DATA": str(data)})
    assert ranked == [(place, row[0]) for place, row in enumerate(by_delay, start=1)]
