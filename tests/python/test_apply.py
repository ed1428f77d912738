"""`headrace plan` and `headrace apply`: a pipeline goes over to another version of itself without losing or repeating a row."""

from __future__ import annotations

import gzip
import json
import pathlib
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator

import duckdb
import pytest
from changing import Changing, environment
from running_engine import BINARY, LIMIT_S, RunningEngine, end_of, wait_until, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

SOURCE = """
CREATE SOURCE tx (id BIGINT, ts TIMESTAMP, who VARCHAR, amount BIGINT, note VARCHAR,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH (connector = 'file', path = 'tx.ndjson', mode = 'follow');
"""
TOTALS = "CREATE MATERIALIZED VIEW totals AS SELECT who, count(*) AS n, sum(amount) AS total FROM tx GROUP BY who;\n"
TOTALS_QUERY = "SELECT who, count(*), sum(amount) FROM tx GROUP BY who"
BIG = "CREATE MATERIALIZED VIEW big AS SELECT id, amount FROM tx WHERE amount > {};\n"
OUT = "CREATE SINK out WITH (connector = 'file', path = '{}') AS SELECT id FROM tx WHERE amount > {};\n"
FIRST, MORE = 3000, 1500


@pytest.fixture
def changing(tmp_path: pathlib.Path) -> Changing:
    pipeline = Changing(tmp_path)
    pipeline.append("tx.ndjson", 0, FIRST)
    return pipeline


def start(pipeline: Changing, sql: str, **files: str) -> None:
    pipeline.write({"sql/pipeline.sql": SOURCE + sql, **files})
    pipeline.run_to_end()


def change(pipeline: Changing, sql: str, **files: str) -> dict[str, str]:
    """Goes over to another version; gives what the plan had said."""
    pipeline.write({"sql/pipeline.sql": SOURCE + sql, **files})
    fates = pipeline.fates()
    done = pipeline.apply()
    assert done.returncode == 0, done.stderr
    assert not pipeline.plan()["changed"]
    return fates


def assert_view(pipeline: Changing, view: str, query: str, records: int) -> None:
    assert pipeline.query(f"SELECT * FROM {view}") == pipeline.oracle(query, tx=("tx.ndjson", records))


def test_a_new_view_sees_what_was_read_before_and_the_others_keep_their_state(changing: Changing) -> None:
    start(changing, TOTALS)
    fates = change(changing, TOTALS + BIG.format(50))
    assert fates == {"aggregate totals": "kept", "view totals": "kept", "view big": "new", "source tx": "kept"}
    query = "SELECT id, amount FROM tx WHERE amount > 50"
    assert_view(changing, "big", query, FIRST)
    changing.append("tx.ndjson", FIRST, MORE)
    changing.run_to_end()
    assert_view(changing, "big", query, FIRST + MORE)
    assert_view(changing, "totals", TOTALS_QUERY, FIRST + MORE)


def test_a_changed_filter_is_built_anew_and_says_what_differs(changing: Changing) -> None:
    start(changing, TOTALS + BIG.format(50))
    changing.write({"sql/pipeline.sql": SOURCE + TOTALS + BIG.format(70)})
    [big] = [node for node in changing.plan()["nodes"] if node["kind"] == "view" and node["name"] == "big"]
    assert (big["fate"], big["loses"]) == ("rebuilt", False)
    assert "50" in big["reason"] and "70" in big["reason"]
    assert big["sources"] == [f"tx read again from its beginning to record {FIRST}"]
    assert changing.apply().returncode == 0
    assert_view(changing, "big", "SELECT id, amount FROM tx WHERE amount > 70", FIRST)


def test_a_renamed_view_keeps_its_state_and_a_dropped_one_goes(changing: Changing) -> None:
    start(changing, TOTALS + BIG.format(50))
    fates = change(changing, TOTALS.replace("VIEW totals", "VIEW sums"))
    assert fates == {"aggregate sums": "kept", "view sums": "kept", "view big": "dropped", "source tx": "kept"}
    assert_view(changing, "sums", TOTALS_QUERY, FIRST)


def test_a_new_view_that_does_what_another_does_begins_with_its_state(changing: Changing) -> None:
    start(changing, TOTALS)
    fates = change(changing, TOTALS + TOTALS.replace("VIEW totals", "VIEW sums"))
    assert fates["aggregate sums"] == fates["view sums"] == fates["view totals"] == "kept"
    changing.append("tx.ndjson", FIRST, MORE)
    changing.run_to_end()
    for view in ("sums", "totals"):
        assert_view(changing, view, TOTALS_QUERY, FIRST + MORE)


def test_nothing_to_do(changing: Changing) -> None:
    start(changing, TOTALS)
    before = changing.manifest()
    changing.write({"sql/pipeline.sql": SOURCE + "-- The same.\n" + TOTALS})
    assert "nothing to do" in changing.apply().stdout
    assert changing.manifest() == before


def test_a_sink_goes_on_and_a_new_one_gets_all(changing: Changing) -> None:
    start(changing, OUT.format("out.ndjson", 50))
    fates = change(changing, OUT.format("out.ndjson", 90) + OUT.format("all.ndjson", 90).replace("SINK out", "SINK everything"))
    assert {name: fate for name, fate in fates.items() if name.startswith("sink")} == {"sink out": "rebuilt", "sink everything": "new"}
    changing.append("tx.ndjson", FIRST, MORE)
    changing.run_to_end()
    amount = {json.loads(line)["id"]: json.loads(line)["amount"] for line in (changing.project / "tx.ndjson").read_text().splitlines()}
    went_on = [id_ for id_ in amount if amount[id_] > (50 if id_ < FIRST else 90)]
    assert changing.sink_lines("out.ndjson") == Counter(f'{{"id":{id_}}}' for id_ in went_on)
    assert changing.sink_lines("all.ndjson") == Counter(f'{{"id":{id_}}}' for id_ in amount if amount[id_] > 90)


@pytest.mark.parametrize("after", [OUT.format("elsewhere.ndjson", 50), TOTALS])
def test_a_sink_that_lacks_its_last_rows_is_not_let_go(changing: Changing, after: str) -> None:
    before = OUT.format("out.ndjson", 50)
    changing.write({"sql/pipeline.sql": SOURCE + before})
    assert changing.command("run", "--until-end", "--no-listen", crash="checkpoint_manifest_written:1").returncode != 0
    changing.write({"sql/pipeline.sql": SOURCE + after})
    refused = changing.apply()
    assert refused.returncode == 1
    assert "sink 'out'" in refused.stderr and "run the version before this one once more" in refused.stderr
    start(changing, before)
    change(changing, after)
    ids = changing.oracle("SELECT id FROM tx WHERE amount > 50", tx=("tx.ndjson", FIRST))
    assert changing.sink_lines("out.ndjson") == Counter(f'{{"id":{id_}}}' for (id_,) in ids)


def test_a_changed_function_builds_only_what_calls_it(changing: Changing) -> None:
    code = "import headrace as hr\n\n\n@hr.function\ndef f(n: int) -> int:\n    return n {}\n"
    called = "CREATE MATERIALIZED VIEW called AS SELECT who, sum(f(amount)) AS y FROM tx GROUP BY who;\n"
    start(changing, TOTALS + called, **{"functions/f.py": code.format("+ 1")})
    changing.write({"sql/pipeline.sql": SOURCE + TOTALS + called, "functions/f.py": code.format("* 2")})
    nodes = {f"{node['kind']} {node['name']}": node for node in changing.plan()["nodes"]}
    assert nodes["aggregate totals"]["fate"] == "kept"
    assert nodes["aggregate called"]["fate"] == "rebuilt"
    assert "function f: " in nodes["aggregate called"]["reason"]
    assert changing.apply().returncode == 0
    assert_view(changing, "called", "SELECT who, sum(amount * 2) FROM tx GROUP BY who", FIRST)


def test_a_changed_watermark_is_that_of_the_records_read_before(changing: Changing) -> None:
    start(changing, TOTALS)
    before = changing.manifest()["sources"]["tx"]
    changing.write({"sql/pipeline.sql": SOURCE.replace("'2' SECOND", "'5' SECOND") + TOTALS})
    assert changing.apply().returncode == 0
    after = changing.manifest()["sources"]["tx"]
    assert after["splits"] == [{**before["splits"][0], "watermark_ms": before["splits"][0]["watermark_ms"] - 3000}]
    assert {**after, "splits": []} == {**before, "splits": []}


@pytest.mark.parametrize("point", ["apply_built", "checkpoint_sink_prepared", "checkpoint_segment_synced", "checkpoint_manifest_written"])
def test_a_kill_leaves_the_old_version_or_the_new_one(changing: Changing, point: str) -> None:
    old, new = TOTALS + OUT.format("out.ndjson", 50), TOTALS + OUT.format("new.ndjson", 90) + BIG.format(50)
    start(changing, old)
    changing.write({"sql/pipeline.sql": SOURCE + new})
    assert changing.apply(crash=f"{point}:1").returncode != 0
    if point == "checkpoint_manifest_written":
        assert not changing.plan()["changed"]
    else:
        changing.write({"sql/pipeline.sql": SOURCE + old})
        assert not changing.plan()["changed"]
        changing.run_to_end()
        changing.write({"sql/pipeline.sql": SOURCE + new})
        assert changing.apply().returncode == 0
    changing.append("tx.ndjson", FIRST, MORE)
    changing.run_to_end()
    assert_view(changing, "totals", TOTALS_QUERY, FIRST + MORE)
    assert_view(changing, "big", "SELECT id, amount FROM tx WHERE amount > 50", FIRST + MORE)
    ids = changing.oracle("SELECT id FROM tx WHERE amount > 90", tx=("tx.ndjson", FIRST + MORE))
    assert changing.sink_lines("new.ndjson") == Counter(f'{{"id":{id_}}}' for (id_,) in ids)


HTTP = "CREATE SOURCE numbers (n BIGINT, who VARCHAR) WITH (connector = 'http');\n"
SUMS = "CREATE MATERIALIZED VIEW sums AS SELECT who, sum(n) AS total FROM numbers GROUP BY who;\n"
COUNTS = "CREATE MATERIALIZED VIEW counts AS SELECT count(*) AS n FROM numbers;\n"


@pytest.fixture
def running(tmp_path: pathlib.Path) -> Iterator[tuple[Changing, RunningEngine]]:
    pipeline = Changing(tmp_path)
    pipeline.write({"sql/pipeline.sql": HTTP + SUMS})
    with RunningEngine(pipeline.project, pipeline.state) as engine:
        yield pipeline, engine


def test_a_running_engine_goes_over_under_load(running: tuple[Changing, RunningEngine]) -> None:
    pipeline, engine = running
    stop, sent, refused = threading.Event(), [0], Counter[int]()

    def send() -> None:
        while not stop.is_set():
            status, answer = engine.post_rows("numbers", [{"n": 1, "who": "a"}], key=f"row {sent[0]}")
            if status == 200:
                sent[0] += 1
            else:
                assert (status, answer["error"]["name"]) == (503, "stopping"), answer
                refused[status] += 1

    load = threading.Thread(target=send)
    load.start()
    try:
        wait_until(lambda: sent[0] >= 50, lambda: str(sent))
        pipeline.write({"sql/pipeline.sql": HTTP + SUMS + COUNTS})
        done = pipeline.apply()
        assert done.returncode == 0, done.stderr + engine.printed()
        assert "new      view of counts" in done.stdout
        at_change = sent[0]
        wait_until(lambda: sent[0] >= at_change + 50, lambda: str(sent))
    finally:
        stop.set()
        load.join()
    engine.wait_for("SELECT n FROM counts", [[sent[0]]])
    engine.wait_for("SELECT total FROM sums", [[sent[0]]])
    assert "nothing to do" in pipeline.apply().stdout


def test_a_column_that_is_declared_later_is_null_before(running: tuple[Changing, RunningEngine]) -> None:
    pipeline, engine = running
    engine.post_rows("numbers", [{"n": 1, "who": "a"}])
    engine.wait_for("SELECT total FROM sums", [[1]])
    wider = HTTP.replace("who VARCHAR", "who VARCHAR, place VARCHAR")
    pipeline.write({"sql/pipeline.sql": wider + SUMS + "CREATE MATERIALIZED VIEW places AS SELECT n, place FROM numbers;\n"})
    done = pipeline.apply()
    assert done.returncode == 0, done.stdout
    assert "kept     aggregate of sums" in done.stdout
    engine.post_rows("numbers", [{"n": 2, "who": "a", "place": "here"}])
    engine.wait_for("SELECT n, place FROM places ORDER BY n", [[1, None], [2, "here"]])
    engine.wait_for("SELECT total FROM sums", [[3]])


def test_a_running_engine_refuses_a_wrong_project_and_goes_on(running: tuple[Changing, RunningEngine]) -> None:
    pipeline, engine = running
    engine.post_rows("numbers", [{"n": 1, "who": "a"}])
    pipeline.write({"sql/pipeline.sql": HTTP + SUMS + "CREATE MATERIALIZED VIEW wrong AS SELECT x FROM nothing;\n"})
    status, answer, _ = engine.request("POST", "/v1/apply", b"")
    assert status == 400 and json.loads(answer)["error"]["name"] == "unknown_relation"
    engine.post_rows("numbers", [{"n": 2, "who": "a"}])
    engine.wait_for("SELECT total FROM sums", [[3]])


def test_the_old_version_goes_on_when_the_new_one_cannot_take_over(tmp_path: pathlib.Path) -> None:
    pipeline = Changing(tmp_path)
    pipeline.write({"sql/pipeline.sql": SOURCE + TOTALS})
    pipeline.append("tx.ndjson", 0, 100)
    with RunningEngine(pipeline.project, pipeline.state) as engine:
        engine.wait_for("SELECT sum(n) FROM totals", [[100]])
        wait_until(lambda: pipeline.records_read() == 100)
        # A record that was read is two records now: a second reading would count another past.
        with (pipeline.project / "tx.ndjson").open("r+b") as file:
            file.seek(20)
            file.write(b"\n")
        pipeline.write({"sql/pipeline.sql": SOURCE + TOTALS + BIG.format(50)})
        done = pipeline.apply()
        assert done.returncode == 1
        assert "gave 100 records before, and 101 when read again" in done.stdout
        engine.wait_for("SELECT sum(n) FROM totals", [[100]])


def test_state_that_cannot_be_built_again_is_not_let_go(changing: Changing) -> None:
    start(changing, TOTALS)
    changing.write({"sql/pipeline.sql": SOURCE.replace("tx.ndjson", "t*.ndjson") + TOTALS})
    changing.apply()
    changing.run_to_end()
    (changing.project / "tx.ndjson").rename(changing.project / "gone")
    changing.write({"sql/pipeline.sql": SOURCE.replace("tx.ndjson", "t*.ndjson") + TOTALS.replace("FROM tx", "FROM tx WHERE amount > 5")})
    done = changing.apply()
    assert done.returncode == 1
    assert "would be lost: nothing of tx up to record 3000: tx.ndjson is gone" in done.stderr
    assert changing.apply("--allow-loss").returncode == 0
    assert not changing.query("SELECT * FROM totals")


KEPT_SUMS = "CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n, sum(id) AS ids, sum(amount) AS amounts FROM tx;\n"
NEW_SUMS = "CREATE MATERIALIZED VIEW again AS SELECT count(*) AS n, sum(id) AS ids, sum(amount) AS amounts FROM tx WHERE id >= 0;\n"
DECLARED = "CREATE SOURCE tx (id BIGINT, ts TIMESTAMP, amount BIGINT, WATERMARK FOR ts AS ts) WITH ({});\n"


@pytest.mark.parametrize(
    "options",
    [
        "connector = 'file', path = '*.ndjson', mode = 'follow'",
        "connector = 'file', path = '*.ndjson', mode = 'follow', splits = 'file'",
        "connector = 'file', path = 'tx.ndjson.gz'",
        "connector = 'file', path = 'tx.csv', format = 'csv', mode = 'follow'",
        "connector = 'file', path = 'tx.parquet', format = 'parquet'",
        "connector = 'file', path = 'tx.ndjson', mode = 'replay', speed = '100'",
        "connector = 'file', path = 'tx.parquet', format = 'parquet', mode = 'replay', speed = '100'",
        "connector = 'generator', rows_per_second = '2000', column.id = 'sequence(0, 1)', column.ts = 'step(2026-01-01, 1 s)'",
    ],
)
def test_every_source_that_can_be_read_again_gives_the_same_rows(tmp_path: pathlib.Path, options: str) -> None:
    pipeline = Changing(tmp_path)
    pipeline.append("tx.ndjson", 0, 7000)
    pipeline.append("ty.ndjson", 7000, 3000)
    write_other_formats(pipeline.project)
    pipeline.write({"sql/pipeline.sql": DECLARED.format(options) + KEPT_SUMS})
    run_until_read(pipeline, 1000)
    pipeline.write({"sql/pipeline.sql": DECLARED.format(options) + KEPT_SUMS + NEW_SUMS})
    done = pipeline.apply()
    assert done.returncode == 0, done.stderr
    assert pipeline.query("SELECT * FROM again") == pipeline.query("SELECT * FROM kept")
    [(records, _, _)] = pipeline.query("SELECT * FROM kept")
    assert records == pipeline.records_read()


def run_until_read(pipeline: Changing, records: int) -> None:
    """Runs until so many records are read, or all that there are, and ends the engine in good order."""
    command = [BINARY, "run", pipeline.project, "--state", pipeline.state, "--no-listen", "--shards", "2"]
    with (pipeline.project / "log").open("w+b") as log, subprocess.Popen(command, env=environment(), stdout=log, stderr=log) as engine:
        wait_until(lambda: pipeline.records_read() >= records or engine.poll() is not None, lambda: end_of(log))
        engine.terminate()
        assert engine.wait(LIMIT_S) in (0, 130), end_of(log)
    assert pipeline.records_read() >= records


def write_other_formats(project: pathlib.Path) -> None:
    """Writes tx.ndjson also compressed, as CSV and as Parquet."""
    text = (project / "tx.ndjson").read_bytes()
    (project / "tx.ndjson.gz").write_bytes(gzip.compress(text))
    rows = f"(SELECT id, ts::TIMESTAMP AS ts, amount FROM read_json('{project}/tx.ndjson'))"
    for name in ("tx.csv", "tx.parquet"):
        duckdb.sql(f"COPY {rows} TO '{project}/{name}'")


def test_refused_rows_stay_and_those_of_a_rebuilt_node_come_again(changing: Changing) -> None:
    with (changing.project / "tx.ndjson").open("a") as file:
        file.write("no record\n")
    cast = "CREATE MATERIALIZED VIEW {} AS SELECT id, CAST(CASE WHEN amount = {} THEN 'x' ELSE '1' END AS INTEGER) AS one FROM tx;\n"
    start(changing, cast.format("stays", 3) + cast.format("changes", 4))
    refused = "SELECT source, origin, count(*) FROM quarantine GROUP BY ALL"
    before = changing.query(refused)
    change(changing, cast.format("changes", 5) + cast.format("stays", 3))
    amounts = {n: rows for n, rows in changing.oracle("SELECT amount, count(*) FROM tx GROUP BY amount", tx=("tx.ndjson", FIRST))}
    after = changing.query(refused)
    assert len(before) == len(after) == 3
    assert {source: rows for source, _, rows in after} == {"tx": 1, "stays": amounts[3], "changes": amounts[5]}
    assert {source: rows for source, _, rows in before}["changes"] == amounts[4]
