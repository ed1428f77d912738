"""Runs to the end over inputs that grow: what one run has closed stays closed in the next, and what it has not goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import running_engine
from running_engine import BINARY, ROOT, write_project

pytestmark = pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())

SOURCE = """
CREATE SOURCE e (k VARCHAR, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '{delay}' SECOND)
WITH (connector = 'file', path = 'e.ndjson', format = 'ndjson', mode = 'follow');
CREATE SOURCE other (k VARCHAR, w BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)
WITH (connector = 'file', path = 'other.ndjson', format = 'ndjson', mode = 'follow');
"""
Row = list[Any]


class Runs:
    """A project that is run to the end again and again over one state."""

    def __init__(self, folder: Path, query: str, delay: int = 0) -> None:
        sink = "CREATE SINK out WITH (connector = 'file', path = 'out.ndjson', format = 'ndjson', changes = 'append') AS\n"
        self.project = write_project(folder / "project", SOURCE.format(delay=delay) + query.replace("SINK:", sink))
        self.state = folder / "state"
        for name in ("e", "other"):
            (self.project / f"{name}.ndjson").touch()

    def run(self, shards: int = 1, **rows: list[Row]) -> list[Row]:
        """Appends rows [key, number, time of day], runs to the end, and gives what the sink got in this run, sorted."""
        for name, new in rows.items():
            number = "v" if name == "e" else "w"
            with (self.project / f"{name}.ndjson").open("a") as file:
                for key, value, time in new:
                    file.write(json.dumps({"k": key, number: value, "ts": f"2026-01-01 {time}"}) + "\n")
        out = self.project / "out.ndjson"
        before = len(out.read_text().splitlines()) if out.exists() else 0
        command = [str(BINARY), "run", str(self.project), "--until-end", "--state", str(self.state), "--shards", str(shards)]
        environment = {"HEADRACE_PYTHON": sys.executable, "PYTHONPATH": str(ROOT / "python")} | dict(os.environ)
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        assert "books: balanced" in done.stdout
        return sorted([list(json.loads(line).values()) for line in out.read_text().splitlines()[before:]], key=str)

    def ask(self, sql: str) -> list[Row]:
        command = [str(BINARY), "query", str(self.project), sql, "--state", str(self.state)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows: list[Row] = json.loads(done.stdout)["rows"]
        return rows


WINDOWS = {
    "TUMBLE": ("TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '10' SECOND)", {"00:00:10": 1}, {"00:00:20": 1}),
    "HOP": (
        "HOP(TABLE e, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)",
        {"00:00:05": 1, "00:00:10": 1},
        {"00:00:15": 1, "00:00:20": 1},
    ),
    "CUMULATE": (
        "CUMULATE(TABLE e, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)",
        {"00:00:05": 1, "00:00:10": 1},
        {"00:00:15": 1, "00:00:20": 1},
    ),
    "SESSION": ("SESSION(TABLE e PARTITION BY k, DESCRIPTOR(ts), INTERVAL '9' SECOND)", {"00:00:10": 1}, {"00:00:21": 1}),
}


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("kind", WINDOWS)
def test_a_window_that_a_run_has_closed_is_not_opened_again(tmp_path: Path, kind: str, shards: int) -> None:
    window, first, second = WINDOWS[kind]
    runs = Runs(
        tmp_path,
        f"SINK: SELECT k, window_end, count(*) AS n FROM {window} GROUP BY k, window_start, window_end;\n"
        "CREATE MATERIALIZED VIEW refused AS SELECT k, v FROM late(e);",
    )

    def expected(ends: dict[str, int]) -> list[Row]:
        return [["a", f"2026-01-01 {end}", n] for end, n in sorted(ends.items())]

    assert runs.run(shards, e=[["a", 1, "00:00:01"]]) == expected(first)
    assert runs.run(shards) == []
    # The watermark is at 1 s; the window of 2 s has been closed by the end of the run. That of 12 s has not.
    assert runs.run(shards, e=[["a", 2, "00:00:02"], ["a", 3, "00:00:12"]]) == expected(second)
    assert runs.ask("SELECT * FROM refused ORDER BY v") == [["a", 2]]


def test_a_run_on_other_shards_knows_what_was_closed(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "SINK: SELECT k, window_end, sum(v) AS n FROM HOP(TABLE e, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '4' SECOND)\n"
        "GROUP BY k, window_start, window_end;",
    )
    # Each key's last window ends elsewhere; what the longest has closed is closed for all.
    assert len(runs.run(7, e=[[key, 1, f"00:00:0{at}"] for at, key in enumerate("abcdef")])) == 24
    late = [[key, 1, f"00:00:0{at}"] for at, key in enumerate("abcdef", 1)]
    again = runs.run(2, e=[*late, ["a", 1, "00:00:20"]])
    assert sorted(again, key=lambda row: row[1]) == [
        ["f", "2026-01-01 00:00:10", 1],
        *(["a", f"2026-01-01 00:00:{end}", 1] for end in (21, 22, 23, 24)),
    ]


def test_what_overlapping_windows_share_ends_with_them_on_every_shard(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "SINK: SELECT k, window_end, count(*) AS n FROM HOP(TABLE e, DESCRIPTOR(ts), INTERVAL '6' SECOND, INTERVAL '10' SECOND)\n"
        "GROUP BY k, window_start, window_end;",
        delay=60,
    )
    # Keys on several shards; what the last window of one has shared must not be found when another's closed later.
    runs.run(7, e=[[key, 1, f"00:00:{at}"] for key in "abcdefgh" for at in (18, 20, 22)] + [["z", 1, "00:00:44"]])
    assert runs.run(e=[[key, 1, "00:00:49"] for key in "abcdefgh"]) == [[key, "2026-01-01 00:00:58", 1] for key in "abcdefgh"]


def test_late_rows_of_windows_that_nobody_reads_are_few(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "CREATE VIEW unread AS SELECT k, window_end, count(*) AS n FROM TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '10' SECOND)\n"
        "GROUP BY k, window_start, window_end;\n"
        "SINK: SELECT k, v FROM late(e);",
    )
    assert runs.run(e=[["a", 1, "00:00:01"]]) == []


def test_late_rows_are_told_below_a_look_up(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "SINK: SELECT name, window_end, count(*) AS n FROM (SELECT t.*, name\n"
        "FROM TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '10' SECOND) AS t JOIN (VALUES ('a', 'Anna')) AS n (id, name) ON t.k = n.id)\n"
        "GROUP BY name, window_start, window_end;\n"
        "CREATE MATERIALIZED VIEW refused AS SELECT k, v FROM late(e);",
    )
    assert runs.run(e=[["a", 1, "00:00:01"]]) == [["Anna", "2026-01-01 00:00:10", 1]]
    assert runs.run(e=[["a", 2, "00:00:02"], ["a", 3, "00:00:12"]]) == [["Anna", "2026-01-01 00:00:20", 1]]
    assert runs.ask("SELECT * FROM refused") == [["a", 2]]


def test_rows_of_over_are_looked_back_at_in_the_next_run(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "SINK: SELECT k, v, sum(v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW) AS n\n"
        "FROM e;",
    )
    assert runs.run(e=[["a", 1, "00:00:01"], ["a", 2, "00:00:05"]]) == [["a", 1, 1], ["a", 2, 3]]
    assert runs.run(e=[["a", 4, "00:00:06"], ["a", 8, "00:00:13"]]) == [["a", 4, 7], ["a", 8, 14]]


def test_rows_of_an_interval_join_meet_those_of_the_next_run(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "SINK: SELECT e.k, v, w FROM e JOIN other ON e.k = other.k AND other.ts BETWEEN e.ts AND e.ts + INTERVAL '10' SECOND;",
    )
    assert runs.run(e=[["a", 1, "00:00:01"]]) == []
    assert runs.run(other=[["a", 7, "00:00:04"]]) == [["a", 1, 7]]


def test_a_row_that_was_told_without_a_partner_gets_none_later(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "SINK: SELECT e.k, v, w FROM e LEFT JOIN other ON e.k = other.k AND other.ts BETWEEN e.ts AND e.ts + INTERVAL '10' SECOND;",
    )
    assert runs.run(e=[["a", 1, "00:00:01"]]) == [["a", 1, None]]
    # Its partners would have come up to 11 s.
    assert runs.run(other=[["a", 7, "00:00:04"]]) == []
    assert runs.run(e=[["a", 2, "00:00:20"]], other=[["a", 8, "00:00:25"]]) == [["a", 2, 8]]


@pytest.mark.parametrize("join", ["JOIN", "LEFT JOIN", "FULL JOIN"])
def test_an_outer_join_loses_no_partners_to_the_end_of_a_run(tmp_path: Path, join: str) -> None:
    runs = Runs(
        tmp_path,
        f"SINK: SELECT e.k, v, w FROM e {join} other ON e.k = other.k AND other.ts BETWEEN e.ts AND e.ts + INTERVAL '1' HOUR;",
    )
    assert runs.run(e=[["a", 1, "00:00:01"]], other=[["a", 5, "00:00:02"]]) == [["a", 1, 5]]
    assert runs.run(e=[["b", 2, "00:05:00"]], other=[["a", 6, "00:05:01"], ["b", 7, "00:05:02"]]) == [["a", 1, 6], ["b", 2, 7]]


def test_a_row_told_without_a_partner_may_be_taken_back_in_the_next_run(tmp_path: Path) -> None:
    query = (
        "CREATE SOURCE keyed (i BIGINT, k VARCHAR, v BIGINT, ts TIMESTAMP, PRIMARY KEY (i) NOT ENFORCED,\n"
        "  WATERMARK FOR ts AS ts - INTERVAL '60' SECOND)\n"
        "WITH (connector = 'file', path = 'keyed.ndjson', format = 'changelog-ndjson', mode = 'follow');\n"
        "CREATE MATERIALIZED VIEW joined AS SELECT i, v, w FROM keyed LEFT JOIN other\n"
        "ON keyed.k = other.k AND other.ts BETWEEN keyed.ts AND keyed.ts + INTERVAL '1' HOUR;\n"
        "SINK: SELECT k FROM e;"
    )
    runs = Runs(tmp_path, query)

    def give(**row: Any) -> None:
        with (runs.project / "keyed.ndjson").open("a") as file:
            file.write(json.dumps({"i": 1, "k": "a", "ts": "2026-01-01 00:00:01"} | row) + "\n")

    give(v=1)
    runs.run(shards=2)
    assert runs.ask("SELECT * FROM joined") == [[1, 1, None]]
    give(v=2)
    runs.run(shards=1)
    assert runs.ask("SELECT * FROM joined") == [[1, 2, None]]
    runs.run(other=[["a", 7, "00:00:02"]])
    assert runs.ask("SELECT * FROM joined") == [[1, 2, 7]]
    give(v=2, _op="-D")
    runs.run(shards=3)
    assert runs.ask("SELECT * FROM joined") == []


def test_windows_that_apply_makes_shorter_are_closed_no_further_than_they_reach(tmp_path: Path) -> None:
    query = (
        "CREATE MATERIALIZED VIEW windows AS SELECT window_end, count(*) AS n\n"
        "FROM TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '1' HOUR) GROUP BY window_start, window_end;\nSINK: SELECT k FROM e;"
    )
    runs = Runs(tmp_path, query)
    runs.run(e=[["a", 1, "00:00:01"]])
    for path in (runs.project / "sql").glob("*.sql"):
        path.write_text(path.read_text().replace("'1' HOUR", "'10' SECOND"))
    done = subprocess.run(
        [str(BINARY), "apply", str(runs.project), "--state", str(runs.state)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    runs.run(e=[["a", 2, "00:00:02"], ["a", 3, "00:30:01"]])
    assert runs.ask("SELECT * FROM windows ORDER BY 1") == [["2026-01-01 00:00:10", 1], ["2026-01-01 00:30:10", 1]]


def test_a_version_that_comes_after_its_rows_were_joined_is_late(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "CREATE VIEW versions AS SELECT * FROM\n"
        "(SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS r FROM other) WHERE r = 1;\n"
        "SINK: SELECT e.k, v, w FROM e LEFT JOIN versions FOR SYSTEM_TIME AS OF e.ts ON e.k = versions.k;",
    )
    assert runs.run(e=[["a", 1, "00:00:05"]], other=[["a", 7, "00:00:01"]]) == [["a", 1, 7]]
    assert runs.run(e=[["a", 2, "00:00:08"]], other=[["a", 8, "00:00:04"], ["a", 9, "00:00:07"]]) == [["a", 2, 9]]


def test_the_best_rows_of_a_window_are_given_once(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "SINK: SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v DESC) AS r\n"
        "FROM TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE r = 1;",
    )
    assert runs.run(e=[["a", 1, "00:00:01"], ["b", 2, "00:00:02"]]) == [["b", 2]]
    assert runs.run(e=[["c", 3, "00:00:03"], ["d", 4, "00:00:13"]]) == [["d", 4]]


def test_a_match_of_two_runs_is_none(tmp_path: Path) -> None:
    runs = Runs(
        tmp_path,
        "SINK: SELECT * FROM e MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.v AS first, B.v AS last\n"
        "PATTERN (A B) WITHIN INTERVAL '1' HOUR DEFINE A AS A.v = 1, B AS B.v = 2);",
    )
    assert runs.run(e=[["a", 1, "00:00:01"]]) == []
    # The end of the run was the end of the match that had begun.
    assert runs.run(e=[["a", 2, "00:00:02"], ["a", 1, "00:00:12"], ["a", 2, "00:00:13"]]) == [["a", 1, 2]]
