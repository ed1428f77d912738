"""`headrace why-open`: each situation in which a result is not out is staged on a real engine, and named for what it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headrace.door import Door
from headrace.errors import BadRequest, NotFound
from headrace.repair.why_open import lines, why_open
from running_engine import BINARY, ROOT, RunningEngine, wait_until, why_not, write_project

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

HTTP = "(ts TIMESTAMP, who VARCHAR, WATERMARK FOR ts AS ts) WITH (connector = 'http')"
SOURCES = ["calm", "never", "left_side", "right_side", "ahead", "visits", "orders", "steps"]


def per_minute(name: str, of: str, more: str = "", end: str = "") -> str:
    return (
        f"CREATE MATERIALIZED VIEW {name} AS SELECT window_start, count(*) AS n "
        f"FROM TUMBLE(TABLE {of}, DESCRIPTOR(ts), INTERVAL '1' MINUTE) {more} GROUP BY window_start, window_end {end};\n"
    )


SQL = "".join(f"CREATE SOURCE {name} {HTTP};\n" for name in SOURCES) + (
    "CREATE SOURCE parts (ts TIMESTAMP, who VARCHAR, WATERMARK FOR ts AS ts)\n"
    "WITH (connector = 'file', path = 'parts/*.ndjson', mode = 'follow', splits = 'file');\n"
    "CREATE SOURCE whole (ts TIMESTAMP, who VARCHAR, WATERMARK FOR ts AS ts) WITH (connector = 'file', path = 'whole.ndjson');\n"
    "CREATE VIEW both_sides AS SELECT ts, who FROM left_side UNION ALL SELECT ts, who FROM right_side;\n"
    "CREATE VIEW strangers AS SELECT ts, who FROM calm WHERE who = 'nobody';\n"
    + per_minute("calm_minutes", "calm")
    + per_minute("never_minutes", "never")
    + per_minute("side_minutes", "both_sides")
    + per_minute("stranger_minutes", "strangers")
    + per_minute("ahead_minutes", "ahead")
    + per_minute("part_minutes", "parts")
    + per_minute("held_minutes", "whole", end="EMIT ON WINDOW CLOSE ON END HOLD")
    + per_minute("shown_minutes", "calm", end="EMIT ON UPDATE")
    + "CREATE MATERIALIZED VIEW hops AS SELECT window_start, count(*) AS n\n"
    "FROM HOP(TABLE steps, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '4' MINUTE) GROUP BY window_start, window_end;\n"
    "CREATE MATERIALIZED VIEW plain AS SELECT who, count(*) AS n FROM calm GROUP BY who;\n"
    "CREATE MATERIALIZED VIEW sittings AS SELECT who, window_start, window_end, count(*) AS n\n"
    "FROM SESSION(TABLE visits PARTITION BY who, DESCRIPTOR(ts), INTERVAL '5' MINUTE) GROUP BY who, window_start, window_end;\n"
    "CREATE SOURCE homes (ts TIMESTAMP, who VARCHAR, town VARCHAR, PRIMARY KEY (who) NOT ENFORCED, WATERMARK FOR ts AS ts)\n"
    "WITH (connector = 'http');\n"
    "CREATE MATERIALIZED VIEW addressed AS SELECT o.ts, h.town\n"
    "FROM orders AS o JOIN homes FOR SYSTEM_TIME AS OF o.ts AS h ON o.who = h.who;\n"
)


def row(time: str, who: str = "ann") -> dict[str, str]:
    return {"ts": f"2026-01-01 {time}", "who": who}


def ms(time: str) -> int:
    hours, minutes, seconds = time.split(":")
    return 1_767_225_600_000 + (int(hours) * 3600 + int(minutes) * 60) * 1000 + round(float(seconds) * 1000)


class Staged:
    """The engine, with questions about its views."""

    def __init__(self, engine: RunningEngine) -> None:
        self.engine = engine
        self.door = Door(engine.url)

    def post(self, source: str, *rows: dict[str, str]) -> None:
        status, answer = self.engine.post_rows(source, list(rows))
        assert status == 200, answer

    def ask(self, view: str, window: str = "") -> dict[str, Any]:
        return why_open(self.door, view, window and f"2026-01-01 {window}")

    def until(self, view: str, *codes: str, window: str = "") -> dict[str, Any]:
        """Asks until exactly these reasons are given (in any window, and of the view); rows become ticks a moment later."""
        seen: dict[str, Any] = {}

        def holds() -> bool:
            seen.update(self.ask(view, window))
            return sorted(reasons(seen)) == sorted(codes)

        wait_until(holds, lambda: json.dumps(seen, indent=1))
        return seen


def reasons(answer: dict[str, Any]) -> list[str]:
    """The codes of all reasons, each once."""
    all_of = [*answer["reasons"], *(r for o in answer["operators"] for w in o["windows"] for r in w["reasons"])]
    return list({reason["code"] for reason in all_of})


def the_window(answer: dict[str, Any], start: str) -> dict[str, Any]:
    (window,) = (w for operator in answer["operators"] for w in operator["windows"] if w["start_ms"] == ms(start))
    return dict(window)


def text_of(answer: dict[str, Any], code: str) -> str:
    all_of = [*answer["reasons"], *(r for o in answer["operators"] for w in o["windows"] for r in w["reasons"])]
    return next(str(reason["text"]) for reason in all_of if reason["code"] == code)


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staged]:
    folder = tmp_path_factory.mktemp("why_open")
    project = write_project(folder / "project", SQL)
    (project / "parts").mkdir()
    (project / "parts" / "a.ndjson").write_text("".join(json.dumps(row(time)) + "\n" for time in ("12:00:10", "12:07:00")))
    (project / "parts" / "b.ndjson").write_text(json.dumps(row("12:00:20")) + "\n")
    (project / "whole.ndjson").write_text(json.dumps(row("12:00:10")) + "\n")
    with RunningEngine(project, folder / "state", shards=2) as engine:
        yield Staged(engine)


def test_time_has_not_come_that_far(staged: Staged) -> None:
    staged.post("calm", row("12:00:10"), row("12:00:40", "bob"))
    answer = staged.until("calm_minutes", "time_not_reached")
    window = the_window(answer, "12:00:00")
    assert (window["end_ms"], window["due_ms"]) == (ms("12:01:00"), ms("12:00:59.999"))
    assert (window["rows"], window["results"]) == (2, 1)
    assert window["now"] == [{"window_start": "2026-01-01 12:00:00", "n": 2}]
    assert window["reasons"][0]["source"] == "calm"
    assert "source calm stands at 2026-01-01 12:00:40, 19.999 s short of 2026-01-01 12:00:59.999" in window["reasons"][0]["text"]
    (source,) = answer["sources"]
    assert source["splits"][0]["latest_time_ms"] == ms("12:00:40")
    assert source["splits"][0]["rows"] == 2


def test_windows_that_overlap_have_all_their_rows(staged: Staged) -> None:
    # The last two come to slices that closed windows have put together with others.
    staged.post("steps", *(row(time) for time in ("12:02:10", "12:03:20", "12:05:10", "12:03:40", "12:04:50")))
    answer = staged.until("hops", "time_not_reached")
    starts = {"12:02:00": 5, "12:03:00": 4, "12:04:00": 2, "12:05:00": 1}
    assert {start: the_window(answer, start)["rows"] for start in starts} == starts
    assert the_window(answer, "12:02:00")["now"] == [{"window_start": "2026-01-01 12:02:00", "n": 5}]


def test_a_window_without_a_row_gives_nothing(staged: Staged) -> None:
    staged.post("calm", row("12:00:10"))
    answer = staged.until("calm_minutes", "no_rows", "time_not_reached", window="12:30:00")
    assert "2026-01-01 12:31:00" in text_of(answer, "no_rows")


def test_no_window_starts_there(staged: Staged) -> None:
    answer = staged.until("calm_minutes", "no_such_window", window="12:00:30")
    assert "2026-01-01 12:00:00 and 2026-01-01 12:01:00" in text_of(answer, "no_such_window")
    with pytest.raises(BadRequest, match="noon"):
        why_open(staged.door, "calm_minutes", "noon")


def test_a_source_has_had_no_row(staged: Staged) -> None:
    answer = staged.until("never_minutes", "nothing_open", "source_empty")
    assert "source never" in text_of(answer, "source_empty")
    assert answer["sources"][0]["watermark_ms"] is None


def test_the_other_side_of_a_union_holds(staged: Staged) -> None:
    staged.post("left_side", row("12:00:10"), row("12:09:00"))
    staged.until("side_minutes", "source_empty", window="12:00:00")
    staged.post("right_side", row("12:00:30"))
    answer = staged.until("side_minutes", "input_behind", window="12:00:00")
    window = the_window(answer, "12:00:00")
    assert [(reason["source"], reason["code"]) for reason in window["reasons"]] == [("right_side", "input_behind")]
    assert window["now"] == [{"window_start": "2026-01-01 12:00:00", "n": 2}]


def test_a_filter_lets_nothing_pass(staged: Staged) -> None:
    staged.post("calm", row("12:00:10"))
    answer = staged.until("stranger_minutes", "nothing_open", "filtered")
    assert "none of" in text_of(answer, "filtered")
    assert answer["sources"][0]["watermark_ms"] is not None


def test_a_split_stands_behind_the_others(staged: Staged) -> None:
    answer = staged.until("part_minutes", "split_behind", window="12:00:00")
    (reason,) = the_window(answer, "12:00:00")["reasons"]
    assert (reason["source"], reason["split"]) == ("parts", 1)
    assert "parts/b.ndjson" in reason["text"]
    assert [split["name"] for split in answer["sources"][0]["splits"]] == ["parts/a.ndjson", "parts/b.ndjson"]


def test_a_split_is_empty(tmp_path: Path) -> None:
    source = SQL[SQL.index("CREATE SOURCE parts") : SQL.index("CREATE SOURCE whole")]
    project = write_project(tmp_path / "project", source + per_minute("part_minutes", "parts"))
    (project / "parts").mkdir()
    (project / "parts" / "a.ndjson").write_text("".join(json.dumps(row(time)) + "\n" for time in ("12:00:10", "12:07:00")))
    (project / "parts" / "b.ndjson").write_text("")
    with RunningEngine(project, tmp_path / "state") as engine:
        answer = Staged(engine).until("part_minutes", "split_empty", window="12:00:00")
        assert the_window(answer, "12:00:00")["reasons"][0]["split"] == 1


def test_the_end_of_input_is_held(staged: Staged) -> None:
    answer = staged.until("held_minutes", "held_at_end")
    assert the_window(answer, "12:00:00")["results"] == 1
    assert answer["sources"][0]["ended"]


def test_the_gap_of_a_session_is_not_over(staged: Staged) -> None:
    staged.post("visits", row("12:00:00"), row("12:03:00"))
    answer = staged.until("sittings", "session_gap", "time_not_reached")
    window = the_window(answer, "12:00:00")
    assert window["end_ms"] == ms("12:08:00")
    assert (window["rows"], window["now"][0]["n"]) == (2, 2)
    assert "before 2026-01-01 12:08:00" in text_of(answer, "session_gap")


def test_rows_without_a_window_wait(staged: Staged) -> None:
    staged.post("orders", row("12:00:10"))
    staged.post("homes", row("12:00:05") | {"town": "Ulm"})
    answer = staged.until("addressed", "input_behind")
    (window,) = answer["operators"][0]["windows"]
    assert (window["start_ms"], window["rows"], window["due_ms"]) == (None, 1, ms("12:00:10"))
    assert [reason["source"] for reason in window["reasons"]] == ["homes"]


def test_a_view_without_time_is_not_held(staged: Staged) -> None:
    assert reasons(staged.ask("plain")) == ["not_held"]


def test_partial_results_show_already(staged: Staged) -> None:
    staged.post("calm", row("12:00:10"))
    staged.until("shown_minutes", "shown_already", "time_not_reached")


def test_a_row_far_ahead_has_closed_the_window(staged: Staged) -> None:
    staged.post("ahead", row("12:00:10"), row("12:45:00"), row("12:00:20"))
    answer = staged.until("ahead_minutes", "closed", "row_ahead", "late_rows", window="12:00:00")
    assert "a row of 2026-01-01 12:45:00 in source ahead closed it" in text_of(answer, "row_ahead")
    assert "1 row came after" in text_of(answer, "late_rows")
    assert "late(ahead_minutes)" in text_of(answer, "late_rows")
    assert staged.engine.sql("SELECT n FROM ahead_minutes") == [[1]]


def test_rows_beyond_max_future_made_no_watermark(staged: Staged) -> None:
    staged.post("never", {"ts": "2199-01-01 00:00:00", "who": "ann"})
    answer = staged.until("never_minutes", "nothing_open", "future_rows")
    assert "1 row of source never" in text_of(answer, "future_rows")


def test_an_unknown_view_is_told_with_the_nearest(staged: Staged) -> None:
    with pytest.raises(NotFound, match="calm_minutes"):
        staged.ask("calm_minute")


def test_the_command_tells_people_and_programs(staged: Staged) -> None:
    staged.post("calm", row("12:00:10"))
    staged.until("calm_minutes", "time_not_reached")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "python"), "HEADRACE_PYTHON": sys.executable}
    command = [str(BINARY), "why-open", "calm_minutes", "2026-01-01 12:00:00", "--url", staged.engine.url]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "[2026-01-01 12:00:00, 2026-01-01 12:01:00)" in shown
    assert "why: source calm stands at" in shown
    assert 'now: {"window_start": "2026-01-01 12:00:00"' in shown
    answer = json.loads(subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True, check=True).stdout)
    assert reasons(answer) == ["time_not_reached"]
    assert shown.splitlines()[0] == next(lines(answer))
    wrong = subprocess.run([*command[:2], "calm_minute", *command[4:]], env=environment, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "did you mean 'calm_minutes'" in wrong.stderr
