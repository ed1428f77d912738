"""Bad input, each kind on the real program: what the user sees (code, place, remedy), the exit code, and that nothing is lost or hangs.

Exit codes: 0 the run went through (bad records are in the quarantine), 1 it failed at run time, 2 the project or an option is wrong.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import running_engine
from running_engine import BINARY, LIMIT_S, RunningEngine

pytestmark = pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())

GOOD = [{"id": 1, "name": "a", "n": 1}, {"id": 9, "name": "z", "n": 9}]


@dataclass(frozen=True)
class Ended:
    """One run of the program."""

    exit_code: int
    told: str

    def books(self) -> tuple[int, int, int]:
        """Gives records read, accepted and quarantined; they balance."""
        found = re.search(r"^source \w+: read (\d+) = accepted (\d+) \+ quarantined (\d+)$", self.told, re.MULTILINE)
        assert found is not None and "books: balanced" in self.told, self.told
        read, accepted, quarantined = (int(number) for number in found.groups())
        assert read == accepted + quarantined
        return read, accepted, quarantined


def headrace(*arguments: str | Path, limit_s: float = LIMIT_S) -> Ended:
    """Runs the program to its end; one that hangs fails the test."""
    environment = {**os.environ, "PYTHONPATH": str(running_engine.ROOT / "python"), "HEADRACE_SHARE": str(running_engine.ROOT)}
    environment.setdefault("HEADRACE_PYTHON", sys.executable)
    done = subprocess.run([BINARY, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=limit_s)
    return Ended(done.returncode, done.stdout + done.stderr)


class BadProject:
    """A project over one file, run to its end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(
        self, data: bytes, *, file: str = "in.ndjson", columns: str = "id BIGINT, name VARCHAR, n INTEGER", options: str = ""
    ) -> None:
        """Writes the statements and the input."""
        running_engine.write_project(
            self.directory,
            f"CREATE SOURCE tx ({columns})\nWITH (connector = 'file', path = '{file}'{options});\n"
            "CREATE SINK out WITH (connector = 'file', path = 'out.ndjson') AS\nSELECT * FROM tx;\n",
        )
        (self.directory / file).write_bytes(data)

    def sql(self, old: str, new: str) -> None:
        """Changes the statements."""
        path = self.directory / "sql" / "pipeline.sql"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def run(self, *more: str | Path) -> Ended:
        return headrace("run", self.directory, "--until-end", "--shards", "2", *more)

    def out(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.directory / "out.ndjson").open()]

    def quarantine(self) -> list[tuple[int, str, str, bytes]]:
        """Gives code, origin, reason and bytes of each record, as `headrace query` tells them afterwards."""
        asked = headrace("query", self.directory, "SELECT code, origin, reason, bytes FROM quarantine ORDER BY id")
        assert asked.exit_code == 0, asked.told
        return [(code, origin, reason, base64.b64decode(data)) for code, origin, reason, data in json.loads(asked.told)["rows"]]


@pytest.fixture
def project(tmp_path: Path) -> BadProject:
    return BadProject(tmp_path / "project")


def lines(*records: dict[str, object] | bytes) -> bytes:
    return b"".join((record if isinstance(record, bytes) else json.dumps(record).encode()) + b"\n" for record in records)


# ---- Records: the bad one is in the quarantine with its bytes, place and reason; its neighbours go on.

RECORDS = [
    ("broken JSON line", b'{"id": 2, "name":', "", 3001, "a record is one JSON object"),
    ("wrong type", b'{"id": 2, "name": "b", "n": "many"}', "", 3002, 'field "n": "many" is not a value of type INTEGER'),
    ("missing where it must be", b'{"id": 2, "name": "b"}', "n INTEGER NOT NULL", 3004, 'field "n" of type INTEGER NOT NULL is missing'),
    ("extra where it must not be", b'{"id": 2, "hue": "red"}', "extra_fields = 'quarantine'", 3005, 'field "hue" is not declared'),
    ("2^63", b'{"id": 9223372036854775808, "name": "b", "n": 2}', "", 3003, 'field "id": 9223372036854775808 does not fit BIGINT'),
    ("invalid UTF-8", b'{"id": 2, "name": "\xff\xfe", "n": 2}', "", 3006, "UTF-8"),
]


@pytest.mark.parametrize(("record", "given", "code", "reason"), [case[1:] for case in RECORDS], ids=[case[0] for case in RECORDS])
def test_a_bad_record_is_quarantined_and_told(project: BadProject, record: bytes, given: str, code: int, reason: str) -> None:
    project.write(lines(GOOD[0], record, GOOD[1]))
    if given.startswith("n INTEGER"):
        project.sql("n INTEGER", given)
    elif given:
        project.sql("'in.ndjson'", "'in.ndjson', " + given)
    ended = project.run()
    assert ended.exit_code == 0 and ended.books() == (3, 2, 1), ended.told
    assert project.out() == GOOD
    [(got_code, origin, got_reason, got_bytes)] = project.quarantine()
    assert (got_code, origin, got_bytes) == (code, "in.ndjson:2", record)
    assert reason in got_reason
    # The summary names code, place and reason, and how to see all of them.
    assert f"quarantine of tx: 1 with {code} (" in ended.told and f"the first at in.ndjson:2: {got_reason}" in ended.told
    assert f'headrace query {project.directory} "SELECT * FROM quarantine"' in ended.told
    # Once more over the same state: nothing is added, nothing is told twice.
    assert project.run().books() == (3, 2, 1) and project.out() == GOOD and len(project.quarantine()) == 1


def test_a_missing_or_extra_column_is_no_error_unless_declared_so(project: BadProject) -> None:
    project.write(lines({"id": 1}, {"id": 2, "name": "b", "n": 2, "hue": "red"}))
    assert project.run().books() == (2, 2, 0)
    assert project.out() == [{"id": 1, "name": None, "n": None}, {"id": 2, "name": "b", "n": 2}]


def test_csv_with_a_column_too_few_or_too_many(project: BadProject) -> None:
    project.write(b"id,name,n\n1,a,1\n2,b\n3,c,3,red\n9,z,9\n", file="in.csv", options=", format = 'csv'")
    ended = project.run()
    assert ended.exit_code == 0 and ended.books() == (4, 2, 2), ended.told
    assert [record[:2] for record in project.quarantine()] == [(3004, "in.csv:3"), (3005, "in.csv:4")]
    assert project.out() == GOOD


def test_csv_whose_header_lacks_a_column(project: BadProject) -> None:
    project.write(b"id,name\n1,a\n", file="in.csv", options=", format = 'csv'")
    ended = project.run()
    assert ended.exit_code == 2 and ended.books() == (0, 0, 0), ended.told
    assert "sql/pipeline.sql:1:1: error 1001 (bad_config): in.csv: the header lacks n" in ended.told
    assert "remedy: name the columns as the header does" in ended.told


def test_a_time_far_in_the_future(project: BadProject) -> None:
    columns = "id INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts"
    rows = [{"id": 1, "ts": "2024-01-01 00:00:00"}, {"id": 2, "ts": "9024-01-01 00:00:00"}, {"id": 3, "ts": "2024-01-01 00:00:01"}]
    project.write(b"\n" + lines(*rows), columns=columns, options=", max_future = '1 d'")
    ended = project.run()
    assert ended.exit_code == 0 and ended.books() == (3, 2, 1), ended.told
    assert [row["id"] for row in project.out()] == [1, 3]
    [(code, origin, reason, _)] = project.quarantine()
    assert (code, origin) == (3007, "in.ndjson:3")  # The blank line counts as a line.
    assert "'ts' lies more than max_future = 86400000 ms ahead of the clock" in reason


def test_a_time_that_no_window_can_hold(project: BadProject) -> None:
    columns = "id INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts"
    rows = [{"id": 1, "ts": "2024-01-01 00:00:00"}, {"id": 2, "ts": "infinity"}, {"id": 3, "ts": "2024-01-01 00:00:01"}]
    project.write(lines(*rows), columns=columns)
    ended = project.run()
    assert ended.exit_code == 0 and ended.books() == (3, 2, 1), ended.told
    assert [row["id"] for row in project.out()] == [1, 3]
    [(code, origin, reason, _)] = project.quarantine()
    assert (code, origin) == (3003, "in.ndjson:2")
    assert reason == "the event time 'ts' = infinity lies more than 250'000 years from 1970"


@pytest.mark.parametrize(
    ("where", "told"),
    [("source", "error 3002 (wrong_type): in.ndjson:2: "), ("sink", "sql/pipeline.sql:3:1: error 3010 (expression_failed): ")],
)
def test_on_error_fail_ends_the_run(project: BadProject, where: str, told: str) -> None:
    bad = {"id": "x"} if where == "source" else {"id": 2, "name": "b"}
    project.write(lines({"id": 1, "name": "1"}, bad))
    if where == "source":
        project.sql("'in.ndjson'", "'in.ndjson', on_error = 'fail'")
    else:
        project.sql("'out.ndjson'", "'out.ndjson', on_error = 'fail'")
        project.sql("SELECT *", "SELECT CAST(name AS INTEGER) AS number")
    ended = project.run()
    assert ended.exit_code == 1, ended.told
    assert told in ended.told and "remedy: mend the " in ended.told
    assert project.out() == []


# ---- Files


def test_a_truncated_gzip_gives_what_it_holds(project: BadProject) -> None:
    whole = gzip.compress(lines(*({"id": i, "name": f"name{i * 7919 % 1000}", "n": i} for i in range(5000))))
    project.write(whole[: len(whole) // 2], file="in.ndjson.gz")
    ended = project.run()
    read, accepted, quarantined = ended.books()
    assert ended.exit_code == 0 and quarantined == 1 and read > 1000, ended.told
    assert [row["id"] for row in project.out()] == list(range(accepted))
    [(code, origin, reason, _)] = project.quarantine()
    assert (code, origin, reason) == (3011, f"in.ndjson.gz:{read}", "the gzip file ends in the middle")


@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_a_truncated_parquet_is_refused_before_anything_runs(project: BadProject, kept: float) -> None:
    file = project.directory.parent / "whole.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"id": range(1000), "name": ["x"] * 1000, "n": pyarrow.array(range(1000), "int32")}), file)
    whole = file.read_bytes()
    project.write(whole[: int(len(whole) * kept)], file="in.parquet", options=", format = 'parquet'")
    ended = project.run()
    assert ended.exit_code == 1, ended.told
    assert re.search(
        r"^sql/pipeline.sql:1:1: error 3011 \(truncated_input\): .*in.parquet cannot be read as Parquet", ended.told, re.MULTILINE
    )
    assert "remedy: write the file again" in ended.told and "SELECT" not in ended.told
    # Mended, the same state directory goes on.
    (project.directory / "in.parquet").write_bytes(whole)
    assert project.run().books() == (1000, 1000, 0) and len(project.out()) == 1000


@pytest.mark.parametrize("file", ["in.ndjson", "in.csv", "in.ndjson.gz"])
def test_an_empty_file_is_no_records(project: BadProject, file: str) -> None:
    project.write(b"", file=file, options=", format = 'csv'" if file.endswith(".csv") else "")
    ended = project.run()
    assert ended.exit_code == 0 and ended.books() == (0, 0, 0), ended.told
    assert project.out() == []


def test_a_file_that_is_not_there(project: BadProject) -> None:
    project.write(b"")
    (project.directory / "in.ndjson").unlink()
    ended = project.run()
    assert ended.exit_code == 1
    assert "sql/pipeline.sql:1:1: error 5001 (source_unavailable): no file matches" in ended.told
    assert "remedy: check the option path" in ended.told


# ---- The project and the command line


def test_unknown_names_are_told_with_the_nearest_one(project: BadProject) -> None:
    project.write(lines(*GOOD), options=", froamt = 'ndjson'")
    project.sql("SELECT * FROM tx", "SELECT id, nmae FROM tx")
    for command in ("check", "run"):
        ended = headrace(command, project.directory)
        assert ended.exit_code == 2, ended.told
        assert "sql/pipeline.sql:1:1: error 1002 (unknown_option): source 'tx' has no option 'froamt'; did you mean 'format'?" in ended.told
        assert 'sql/pipeline.sql:4:12: error 2003 (unknown_column): Referenced column "nmae" not found' in ended.told
        assert '"name"' in ended.told and "2 errors" in ended.told


def test_a_window_over_windows_says_how_to_name_their_columns(project: BadProject) -> None:
    project.write(lines(*GOOD), columns="ts TIMESTAMP, WATERMARK FOR ts AS ts")
    project.sql("SELECT * FROM tx", "SELECT * FROM TUMBLE(TABLE w, DESCRIPTOR(window_time), INTERVAL '1' HOUR)")
    project.sql("CREATE SINK", "CREATE VIEW w AS SELECT * FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '1' MINUTE);\nCREATE SINK")
    ended = project.run()
    told = "tumble adds window_start, window_end and window_time, and its table already has window_start, window_end, window_time"
    assert ended.exit_code == 2 and f"sql/pipeline.sql:5:1: error 2004 (bind_error): {told}" in ended.told, ended.told
    assert "remedy: rename or leave them out below: TABLE (SELECT window_time AS rowtime, ... FROM t), DESCRIPTOR(rowtime)" in ended.told
    rowtime = "TABLE (SELECT window_time AS rowtime FROM w), DESCRIPTOR(rowtime)"
    project.sql("TABLE w, DESCRIPTOR(window_time)", rowtime)
    assert headrace("check", project.directory).exit_code == 0


def test_a_sink_does_not_destroy_the_file_that_a_source_reads(project: BadProject) -> None:
    project.write(lines(*GOOD))
    project.sql("'out.ndjson'", "'./in.ndjson'")
    ended = project.run()
    assert ended.exit_code == 2 and "writes ./in.ndjson, which source 'tx' reads: its rows would be destroyed" in ended.told, ended.told
    assert (project.directory / "in.ndjson").read_bytes() == lines(*GOOD)


def test_an_unknown_word_of_the_command_line() -> None:
    ended = headrace("run", "somewhere", "--untilend")
    assert ended.exit_code == 2 and "--untilend: did you mean --until-end?" in ended.told
    ended = headrace("chek")
    assert ended.exit_code == 2 and "chek: did you mean check?" in ended.told


# ---- The machine around it


def test_a_port_in_use(project: BadProject) -> None:
    project.write(lines(*GOOD))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = headrace("run", project.directory, "--listen", f"127.0.0.1:{port}")
    assert ended.exit_code == 1
    assert f"error 6009 (port_in_use): 127.0.0.1:{port} is taken" in ended.told and "remedy: " in ended.told


def test_directories_that_cannot_be_written(project: BadProject) -> None:
    project.write(lines(*GOOD))
    # Below a file: root, too, gets no further.
    ended = project.run("--state", project.directory / "in.ndjson" / "state")
    assert ended.exit_code == 1
    assert "error 5003 (io_error): create folder" in ended.told and "give another one with --state" in ended.told
    project.sql("'out.ndjson'", "'in.ndjson/out.ndjson'")
    ended = project.run()
    assert ended.exit_code == 1
    assert "sql/pipeline.sql:3:1: error 5003 (io_error): create folder" in ended.told
    assert "remedy: name a path that can be written in the option path" in ended.told
    project.sql("'in.ndjson/out.ndjson'", "'out.ndjson'")
    assert project.run().books() == (2, 2, 0) and project.out() == GOOD


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("full", ["sink", "state"])
def test_a_full_disk_loses_nothing(project: BadProject, small_disk: Path, full: str) -> None:
    rows = [{"id": i, "name": f"a name that takes its room {i}", "n": i} for i in range(40_000)]
    project.write(lines(*rows))
    if full == "sink":
        project.sql("'out.ndjson'", f"'{small_disk}/out.ndjson'")
        (project.directory / "out.ndjson").symlink_to(small_disk / "out.ndjson")
    state = small_disk / "state" if full == "state" else project.directory / "state"
    ended = project.run("--state", state)
    assert ended.exit_code == 1, ended.told
    assert "error 5004 (disk_full): " in ended.told and "No space left on device" in ended.told
    assert "remedy: make room on the disk and start again" in ended.told
    ended.books()
    # What is there is a beginning of the whole, and counted as such.
    written = project.out()
    assert written == rows[: len(written)]
    assert f"sink out: {len(written)} rows written" in ended.told
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    ended = project.run("--state", state)
    assert ended.exit_code == 0 and ended.books() == (len(rows), len(rows), 0), ended.told
    assert project.out() == rows


def test_a_function_that_raises(project: BadProject) -> None:
    project.write(lines(GOOD[0], {"id": 2, "name": "b", "n": 0}, GOOD[1]))
    (project.directory / "functions").mkdir()
    (project.directory / "functions" / "f.py").write_text(
        "import headrace as hr\n\n\n@hr.function\ndef share(n: int) -> float:\n    return 9 / n\n"
    )
    project.sql("SELECT * FROM tx", "SELECT id, share(n) AS share FROM tx")
    ended = project.run()
    assert ended.exit_code == 0 and ended.books() == (3, 3, 0), ended.told
    assert project.out() == [{"id": 1, "share": 9}, {"id": 9, "share": 1}]
    [(code, origin, reason, row)] = project.quarantine()
    assert (code, origin, json.loads(row)) == (4001, "project of out", {"id": 2, "n": 0})
    assert reason.startswith("ZeroDivisionError: division by zero") and "functions/f.py:6 in share: return 9 / n" in reason
    assert "quarantine of out: 1 with 4001 (function_raised)" in ended.told


def test_a_dead_webhook_keeps_its_messages(project: BadProject) -> None:
    port = running_engine.free_port()
    project.write(lines(*GOOD))
    project.sql(
        "CREATE SINK out",
        "CREATE MATERIALIZED VIEW seen AS SELECT id, n FROM tx;\n"
        f"CREATE ALERT large ON seen WHEN n > 5 WITH (webhook = 'http://127.0.0.1:{port}/alerts?token=secret');\nCREATE SINK out",
    )
    ended = project.run()
    assert ended.exit_code == 0 and ended.books() == (2, 2, 0), ended.told
    assert "webhook_failed" in ended.told and "Connection refused" in ended.told and "secret" not in ended.told
    assert "alerts: 1 message was not delivered; it waits for the next run" in ended.told
    # The message is there when the receiver is.
    with socket.create_server(("127.0.0.1", port)) as receiver:
        receiver.settimeout(LIMIT_S)
        environment = {**os.environ, "PYTHONPATH": str(running_engine.ROOT / "python")}
        command = [str(BINARY), "run", str(project.directory), "--until-end", "--shards", "2"]
        running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        connection, _ = receiver.accept()
        with connection:
            got = b""
            while b"\r\n\r\n" not in got or not got.endswith(b"}"):
                got += connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        told, _ = running.communicate(timeout=LIMIT_S)
    assert b"Idempotency-Key: " in got and b'"row":{"id":9,"n":9}' in got
    assert running.returncode == 0 and "not delivered" not in told, told


# ---- The doors


def test_the_doors_tell_bad_records_tokens_and_webhooks(tmp_path: Path) -> None:
    webhook = f"http://127.0.0.1:{running_engine.free_port()}/"
    sql = (
        "CREATE SOURCE tx (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'http');\n"
        "CREATE MATERIALIZED VIEW seen AS SELECT id, ts FROM tx;\n"
        f"CREATE ALERT odd ON seen WHEN id > 5 WITH (webhook = '{webhook}');\n"
    )
    project, state = running_engine.write_project(tmp_path / "project", sql), tmp_path / "state"
    made = headrace("token", "new", "writer", project, "--state", state)
    token = made.told.splitlines()[0]
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    body = lines(
        {"id": 1, "ts": now}, b"{", {"id": 2, "ts": "9024-01-01 00:00:00"}, {"id": "x", "ts": now}, {"id": 3}, {"id": 9, "ts": now}
    )
    with RunningEngine(project, state) as engine:
        for header in ({}, {"Authorization": "Bearer " + token[:-1] + "~"}):
            status, answer, _ = engine.request("POST", "/v1/sources/tx", body, {"Content-Type": "application/x-ndjson", **header})
            error = json.loads(answer)["error"]
            assert (status, error["code"], error["name"]) == (401, 6001, "unauthorized")
            assert error["remedy"] and token not in answer.decode()
        header = {"Authorization": f"Bearer {token}"}
        status, answer, _ = engine.request("POST", "/v1/sources/tx", body, {"Content-Type": "application/x-ndjson", **header})
        got = json.loads(answer)
        assert (status, got["accepted"], got["quarantined"], got["position"]) == (200, 2, 4, 6)
        assert [(record["index"], record["error"]["code"]) for record in got["records"]] == [(1, 3001), (2, 3007), (3, 3002), (4, 3004)]

        def failed() -> bool:
            alerts = json.loads(engine.request("GET", "/v1/alerts", None, header)[1])["alerts"]
            return [alert["deliveries_failed"] > 0 for alert in alerts] == [True]

        running_engine.wait_until(failed)
        assert engine.stop() == 130
    assert "read 6 = accepted 2 + quarantined 4" in engine.printed()
    assert "alerts: 1 message was not delivered" in engine.printed()
