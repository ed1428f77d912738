"""Splits: which wait for slower ones while they catch up, what that leaves as it is, and how they are known again after a restart."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import running_engine
from headrace.door import Door
from headrace.repair.why_open import lines, why_open
from running_engine import BINARY, ROOT, RunningEngine, wait_until, write_project

pytestmark = pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())

# Rows of `slow` never end and are years behind those of `fast`.
FAR_APART = """
CREATE SOURCE slow (ts TIMESTAMP, WATERMARK FOR ts AS ts)
WITH (connector = 'generator', 'column.ts' = 'step(1971-01-01 00:00:00, 1 ms)');
CREATE SOURCE fast (ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'http');
CREATE VIEW merged AS SELECT ts FROM slow UNION ALL SELECT ts FROM fast;
CREATE MATERIALIZED VIEW per_day AS
SELECT window_start, count(*) AS n FROM TUMBLE(TABLE merged, DESCRIPTOR(ts), INTERVAL '1' DAY) GROUP BY window_start, window_end;
CREATE MATERIALIZED VIEW seen AS SELECT count(*) AS n FROM fast;
"""


def set_engine(project: Path, **settings: int) -> None:
    text = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (project / "headrace.toml").write_text(f'name = "tested"\n[engine]\n{text}')


def source_status(engine: RunningEngine, name: str) -> dict[str, Any]:
    sources: list[dict[str, Any]] = json.loads(engine.request("GET", "/v1/status")[1])["sources"]
    return next(source for source in sources if source["name"] == name)


def test_what_is_too_far_ahead_waits_and_says_so(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", FAR_APART)
    with RunningEngine(project, tmp_path / "state") as engine:
        # As long as a source has no time, it waits for nobody.
        assert engine.post_rows("fast", [{"ts": "2020-01-01 00:00:00"}])[0] == 200
        engine.wait_for("SELECT n FROM seen", [[1]])
        assert engine.post_rows("fast", [{"ts": "2020-01-02 00:00:00"}])[0] == 200
        wait_until(lambda: source_status(engine, "fast")["splits_paused"] == 1, lambda: str(source_status(engine, "fast")))
        status = source_status(engine, "fast")
        assert status["records_read"] == 1
        assert "source fast is paused: it stands at 2020-01-01 00:00:00" in status["paused_reason"]
        assert "ahead of source slow" in status["paused_reason"]
        assert source_status(engine, "slow")["paused_reason"] is None
        assert 'headrace_source_paused_splits{source="fast",connector="http"} 1' in engine.request("GET", "/metrics")[1].decode()
        answer = why_open(Door(engine.url), "per_day", "2020-01-01")
        reasons = {reason["source"]: reason for operator in answer["operators"] for w in operator["windows"] for reason in w["reasons"]}
        assert reasons["fast"]["code"] == "paused"
        assert reasons["slow"]["code"] == "time_not_reached"
        assert any(line.endswith(", paused") for line in lines(answer))
        engine.stop()
        # The row lies in the log: with another bound it is read.
        set_engine(project, source_drift_ms=-1)
        engine.start()
        engine.wait_for("SELECT n FROM seen", [[2]])
        assert source_status(engine, "fast")["splits_paused"] == 0


# Rows of `days` are many, in a file for each stretch of time; those of `notes` are few and long. Some are late for their own source.
CATCHING_UP = """
CREATE SOURCE days (ts TIMESTAMP, k INTEGER, n INTEGER, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH (connector = 'file', path = 'days/*.ndjson', splits = 'file');
CREATE SOURCE notes (ts TIMESTAMP, k INTEGER, note VARCHAR, WATERMARK FOR ts AS ts)
WITH (connector = 'file', path = 'notes.ndjson');
CREATE VIEW merged AS SELECT ts, k FROM days UNION ALL SELECT ts, k FROM notes;
CREATE SINK per_minute WITH (connector = 'file', path = '{out}/per_minute.ndjson') AS
SELECT window_start, k, count(*) AS n FROM TUMBLE(TABLE merged, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
CREATE SINK met WITH (connector = 'file', path = '{out}/met.ndjson') AS
SELECT d.n, length(m.note) AS length, m.ts FROM days AS d JOIN notes AS m ON d.k = m.k AND d.ts BETWEEN m.ts AND m.ts + INTERVAL '3' SECOND;
CREATE SINK left_behind WITH (connector = 'file', path = '{out}/late.ndjson') AS SELECT ts, k FROM late(merged);
"""
SECONDS = 3_000
FILES = 3
ROWS_PER_SECOND = 24


def stamp(second: int) -> str:
    return f"2024-01-01 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def write_inputs(project: Path, late_rows: bool) -> None:
    rng = random.Random(11)
    (project / "days").mkdir()
    for number in range(FILES):
        with (project / "days" / f"{number}.ndjson").open("w") as file:
            for second in range(number * SECONDS // FILES, (number + 1) * SECONDS // FILES):
                for n in range(ROWS_PER_SECOND):
                    behind = 600 if late_rows and rng.random() < 0.01 else 0
                    row = {
                        "ts": stamp(max(0, second - rng.randint(0, 1) - behind)),
                        "k": rng.randint(0, 9),
                        "n": second * ROWS_PER_SECOND + n,
                    }
                    file.write(json.dumps(row) + "\n")
    with (project / "notes.ndjson").open("w") as file:
        for second in range(SECONDS):
            file.write(json.dumps({"ts": stamp(second), "k": rng.randint(0, 9), "note": "n" * rng.randint(2_000, 2_800)}) + "\n")


class Runs:
    """Runs over the same inputs, each with state and output of its own."""

    def __init__(self, folder: Path, *, late_rows: bool) -> None:
        self.project = write_project(folder / "project", "")
        write_inputs(self.project, late_rows)

    def run(self, name: str, *, drift_ms: int, shards: int = 1, crashes: tuple[str, ...] = ()) -> dict[str, list[str]]:
        """Runs to the end, killed at each of `crashes` before; gives what the sinks hold."""
        (self.project / name).mkdir()
        (self.project / "sql" / "pipeline.sql").write_text(CATCHING_UP.format(out=name))
        set_engine(self.project, source_drift_ms=drift_ms, checkpoint_interval_ms=1)
        command = [
            str(BINARY),
            "run",
            str(self.project),
            "--until-end",
            "--shards",
            str(shards),
            "--state",
            str(self.project / name / "state"),
        ]
        environment = {"HEADRACE_PYTHON": sys.executable, "HEADRACE_SHARE": str(ROOT), **os.environ, "PYTHONPATH": str(ROOT / "python")}
        for crash in crashes:
            killed = subprocess.run(command, env=environment | {"HEADRACE_CRASH": crash}, capture_output=True, check=False)
            assert killed.returncode == -9, killed.stderr.decode()
        ended = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr.decode()
        assert b"books: balanced" in ended.stdout
        return {path.name: sorted(path.read_text().splitlines()) for path in (self.project / name).glob("*.ndjson")}


def test_answers_are_the_same_with_any_bound(tmp_path: Path) -> None:
    runs = Runs(tmp_path, late_rows=False)
    apart = runs.run("apart", drift_ms=-1)
    assert len(apart["per_minute.ndjson"]) == SECONDS // 60 * 10
    assert apart["met.ndjson"]
    assert not apart["late.ndjson"]
    for drift_ms, shards in ((0, 1), (0, 3), (1_000, 2), (60_000, 1)):
        assert runs.run(f"drift_{drift_ms}_{shards}", drift_ms=drift_ms, shards=shards) == apart


@pytest.mark.parametrize("drift_ms", [0, 60_000, -1])
def test_what_is_late_is_the_same_on_any_shards_and_after_kills(tmp_path: Path, drift_ms: int) -> None:
    """Where sources meet, the merge order says which rows are late: it goes on after a restart as it would have."""
    runs = Runs(tmp_path, late_rows=True)
    straight = runs.run("straight", drift_ms=drift_ms)
    assert straight["late.ndjson"]
    assert runs.run("shards", drift_ms=drift_ms, shards=3) == straight
    crashes = ("checkpoint_manifest_written:2", "checkpoint_segment_synced:1", "checkpoint_manifest_written:1")
    assert runs.run("killed", drift_ms=drift_ms, crashes=crashes) == straight


FOLLOWED = """
CREATE SOURCE parts (ts TIMESTAMP, WATERMARK FOR ts AS ts)
WITH (connector = 'file', path = 'parts/*.ndjson', mode = 'follow', splits = 'file', poll_wait_ms = '10');
CREATE MATERIALIZED VIEW per_minute AS
SELECT window_start, count(*) AS n FROM TUMBLE(TABLE parts, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end;
CREATE MATERIALIZED VIEW seen AS SELECT count(*) AS n FROM parts;
"""


def test_a_file_that_sorts_first_takes_no_other_files_place(tmp_path: Path) -> None:
    """Files are numbered by name; their watermarks are theirs by name as well."""
    project = write_project(tmp_path / "project", FOLLOWED)
    parts = project / "parts"
    parts.mkdir()

    def write(name: str, time: str) -> None:
        with (parts / f"{name}.ndjson").open("a") as file:
            file.write(json.dumps({"ts": f"2024-01-01 {time}"}) + "\n")

    write("b", "12:00:30")
    write("c", "12:20:00")
    with RunningEngine(project, tmp_path / "state") as engine:
        engine.wait_for("SELECT n FROM seen", [[2]])
        engine.stop()
        write("a", "12:25:00")
        engine.start()
        engine.wait_for("SELECT n FROM seen", [[3]])
        # b, still at 12:00:30, holds the others: its next row is in time.
        write("b", "12:01:00")
        engine.wait_for("SELECT n FROM seen", [[4]])
        write("b", "12:30:00")
        engine.wait_for("SELECT strftime(window_start, '%H:%M'), n FROM per_minute ORDER BY 1", [["12:00", 1], ["12:01", 1]])
