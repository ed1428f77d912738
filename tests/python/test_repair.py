"""The quarantine of a running engine: ls, show, repro, replay."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from headrace.door import Door
from headrace.errors import BadConfig, NotFound
from headrace.repair import quarantine
from headrace.repair.records import record, records, replay
from headrace.repair.repro import write
from running_engine import ROOT, RunningEngine, why_not, write_project

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

SQL = """
CREATE SOURCE calls (kind VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'http');
CREATE MATERIALIZED VIEW answers AS SELECT kind, n, fragile(kind, n, ts) AS y FROM calls;
CREATE MATERIALIZED VIEW totals AS SELECT kind, count(*) AS rows, sum(y) AS total FROM answers GROUP BY kind;
"""

BROKEN = """
import ctypes, datetime, os, time
import headrace as hr

@hr.function(timeout="2 s", memory="128 MB")
def fragile(kind: str, n: int, ts: datetime.datetime) -> int:
    if kind == "raise": return n // 0
    if kind == "die": os._exit(7)
    if kind == "crash": ctypes.string_at(0)
    if kind == "hang": time.sleep(60)
    if kind == "wrong": return "seven"
    if kind == "greedy": return len(bytearray(10**9))
    if kind == "writes": open("/tmp/headrace-not-allowed", "w")
    return n
"""

KINDS = {"raise": "function_raised", "die": "function_died", "crash": "function_died", "hang": "function_timeout",
         "wrong": "function_result", "greedy": "function_raised", "writes": "function_raised"}  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    folder = tmp_path_factory.mktemp("repair")
    project = write_project(folder / "project", SQL)
    (project / "functions").mkdir()
    (project / "functions" / "f.py").write_text(BROKEN)
    with RunningEngine(project, folder / "state", shards=2) as started:
        rows = [{"kind": kind, "n": n, "ts": "2026-01-01 00:00:00.5"} for n, kind in enumerate([*KINDS, "fine"])]
        started.post_rows("calls", rows)
        started.wait_for("SELECT count(*) FROM answers", [[1]])
        yield started


def kept(engine: RunningEngine) -> dict[str, Any]:
    return {json.loads(each.content)["kind"]: each for each in records(Door(engine.url)) if not each.replayed_us}


def test_every_failure_lies_there_with_its_function_and_arguments(engine: RunningEngine, capsys: pytest.CaptureFixture[str]) -> None:
    found = kept(engine)
    assert {kind: each.name for kind, each in found.items()} == KINDS
    for kind, each in found.items():
        assert each.function == "fragile" and len(each.detail["hash"]) == 64
        assert each.detail["arguments"]["kind"] == kind and each.detail["arguments"]["ts"] == "2026-01-01 00:00:00.5"
    assert "ZeroDivisionError" in found["raise"].reason and "functions/f.py:7 in fragile" in found["raise"].reason
    assert quarantine.main(["ls", "--url", engine.url, "--function", "fragile"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(KINDS)
    assert quarantine.main(["show", str(found["die"].id), "--url", engine.url]) == 0
    assert json.loads(capsys.readouterr().out)["function"] == "fragile"
    with pytest.raises(NotFound):
        record(Door(engine.url), 10**6)


@pytest.mark.parametrize("kind", KINDS)
def test_repro_fails_for_the_same_reason(engine: RunningEngine, tmp_path: pathlib.Path, kind: str) -> None:
    found = kept(engine)[kind]
    assert write(found, engine.project, tmp_path / "repro") == []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "repro")],
        env={"PYTHONPATH": str(ROOT / "python"), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    first = found.reason.splitlines()[0]
    same = first.split(": ", 1)[-1] if kind in ("die", "crash") else "ran for more than 2000 ms" if kind == "hang" else first
    assert same.split(" (")[0] in done.stdout, (found.reason, done.stdout)
    assert "pyarrow==" in (tmp_path / "repro" / "requirements.txt").read_text()
    with pytest.raises(BadConfig, match="there already"):
        write(found, engine.project, tmp_path / "repro")


def test_replay_brings_each_row_back_once_in_order(engine: RunningEngine, capsys: pytest.CaptureFixture[str]) -> None:
    door = Door(engine.url)
    found = kept(engine)
    again = replay(door, ids=[found["raise"].id, 10**6])  # Not mended yet: it fails anew, as another record.
    assert (again.rows, [number for number, _ in again.skipped]) == (1, [10**6])
    assert len(kept(engine)) == len(KINDS) and kept(engine)["raise"].id > found["raise"].id
    engine.stop()
    (engine.project / "functions" / "f.py").write_text(BROKEN.replace('if kind == "', 'if kind == "no '))
    engine.start()
    assert len(kept(engine)) == len(KINDS)
    assert quarantine.main(["replay", "--function", "fragile", "--url", engine.url]) == 0
    assert capsys.readouterr().out == f"{len(KINDS)} put back, 0 not\n"
    engine.wait_for("SELECT kind, n, y FROM answers ORDER BY n", [[kind, n, n] for n, kind in enumerate([*KINDS, "fine"])])
    engine.wait_for("SELECT sum(rows), count(*) FROM totals", [[len(KINDS) + 1, len(KINDS) + 1]])
    assert replay(door).rows == 0  # However often it is asked for.
    assert quarantine.main(["replay", str(found["die"].id), "--url", engine.url]) == 1
    assert "it was put back already" in capsys.readouterr().err
    engine.kill()
    engine.start()
    assert kept(engine) == {} and len(list(records(door))) == len(KINDS) + 1
    engine.wait_for("SELECT count(*), sum(y) FROM answers", [[len(KINDS) + 1, sum(range(len(KINDS) + 1))]])


def test_a_broken_record_goes_back_into_its_source(tmp_path: pathlib.Path) -> None:
    data = tmp_path / "rows.ndjson"
    data.write_text('{"n": 1}\n{"n": "two"}\n{"n": 3}\n')
    sql = f"CREATE SOURCE rows (n BIGINT) WITH (connector = 'file', path = '{data}', mode = 'follow');\n"
    project = write_project(tmp_path / "project", sql + "CREATE MATERIALIZED VIEW all_rows AS SELECT CAST(n AS VARCHAR) AS n FROM rows;")
    with RunningEngine(project, tmp_path / "state") as engine:
        engine.wait_for("SELECT n FROM all_rows ORDER BY n", [["1"], ["3"]])
        (found,) = records(Door(engine.url))
        outcome = replay(Door(engine.url), source="rows")
        assert outcome.rows == 1
        old, new = records(Door(engine.url))
        assert old.id == found.id and old.replayed_us > 0
        assert new.content.strip() == found.content.strip() and new.replayed_us == 0
        status = json.loads(engine.request("GET", "/v1/status")[1])["sources"][0]
        assert (status["records_read"], status["records_accepted"], status["records_quarantined"]) == (3, 2, 1)
