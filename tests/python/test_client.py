"""The client's side of the HTTP surface: answers, errors, and what happens when a connection breaks."""

from __future__ import annotations

import datetime
import decimal
import itertools
import json
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import headrace as hr
import headrace.dbapi as dbapi
import pyarrow as pa
import pytest
from door_for_tests import ScriptedDoor, arrow, error, reply, stream
from headrace.errors import BadConfig, KeyReused, NotFound, Overloaded, UnknownColumn

PACKAGE = str(pathlib.Path(hr.__file__).parent.parent)
TABLE = pa.table({
    "card": pa.array(["a", None]),
    "amount": pa.array([decimal.Decimal("1.50"), decimal.Decimal("-2.00")], pa.decimal128(12, 2)),
    "ts": pa.array([datetime.datetime(2026, 1, 1), None], pa.timestamp("us")),
})  # fmt: skip
VIEWS = {"views": [{"name": "risky", "columns": [{"name": "card", "type": "VARCHAR"}, {"name": "amount", "type": "DECIMAL(12,2)"}],
                    "key": ["card"], "changelog": "upsert", "time_column": None, "rows": 2}], "tick": 42, "durable_tick": 40}  # fmt: skip


@pytest.fixture
def door() -> Iterator[ScriptedDoor]:
    scripted = ScriptedDoor()
    scripted.routes["POST", "/v1/sql"] = lambda handler, body: arrow(handler, TABLE)
    scripted.routes["GET", "/v1/views"] = lambda handler, body: reply(handler, "application/json", json.dumps(VIEWS).encode())
    yield scripted
    scripted.close()


def test_an_answer_in_every_form(door: ScriptedDoor) -> None:
    with hr.connect(door.url, token="secret") as db:
        answer = db.sql("SELECT * FROM risky WHERE ts > ?", [datetime.datetime(2026, 1, 1, 2, 3)])
        assert answer.arrow() == TABLE
        assert list(answer.df().columns) == answer.columns == ["card", "amount", "ts"]
        assert answer.fetchall() == [("a", decimal.Decimal("1.50"), datetime.datetime(2026, 1, 1)), (None, decimal.Decimal("-2.00"), None)]
        assert (len(answer), answer.tick, answer.durable_tick) == (2, 42, 40)
    [(_, _, headers, body)] = door.requests
    assert headers["authorization"] == "Bearer secret"
    assert json.loads(body) == {"sql": "SELECT * FROM risky WHERE ts > ?", "parameters": ["2026-01-01 02:03:00"]}


def test_errors_become_exceptions(door: ScriptedDoor) -> None:
    door.routes["POST", "/v1/sql"] = lambda handler, body: error(handler, 400, 2003, "unknown_column", "no column 'prize'",
                                                                 remedy="did you mean 'price'?", at="query:1:8")  # fmt: skip
    db = hr.connect(door.url)
    with pytest.raises(UnknownColumn) as failure:
        db.sql("SELECT prize FROM risky")
    assert (failure.value.remedy, failure.value.at) == ("did you mean 'price'?", "query:1:8")
    with pytest.raises(NotFound):
        db.view("no such/view")
    door.routes["GET", "/v1/views"] = lambda handler, body: reply(handler, "text/html", b"<h1>Other server</h1>", status=502)
    with pytest.raises(hr.HeadraceError, match="HTTP status 502"):
        db.views()


def test_an_absent_engine_is_a_connection_error(door: ScriptedDoor) -> None:
    door.close()
    with pytest.raises(ConnectionError, match="no engine answers at"):
        hr.connect(door.url).sql("SELECT 1")
    for url in ("localhost:8480", "ftp://localhost", "http://", "http://h/?x=1"):
        with pytest.raises(BadConfig):
            hr.connect(url)


def test_a_kept_connection_that_was_closed_is_made_again(door: ScriptedDoor) -> None:
    def close_afterwards(handler: Any, body: bytes) -> None:
        arrow(handler, TABLE)  # The answer promises to keep the connection; then it is closed all the same.
        handler.close_connection = True

    door.routes["POST", "/v1/sql"] = close_afterwards
    db = hr.connect(door.url)
    for _ in range(3):
        assert len(db.sql("SELECT 1")) == 2


def test_rows_are_sent_once_per_key(door: ScriptedDoor) -> None:
    admitted = {"accepted": 1, "quarantined": 1, "position": 9, "repeated": False, "records": [{"index": 1, "error": {"code": 3002}}]}
    door.routes["POST", "/v1/sources/tx"] = lambda handler, body: reply(handler, "application/json", json.dumps(admitted).encode())
    db = hr.connect(door.url)
    result = db.insert("tx", [{"card": "a", "amount": decimal.Decimal("1.5")}, {"card": 7}], idempotency_key="k1")
    assert result == hr.Admitted(**admitted)
    [(_, _, headers, body)] = door.requests
    assert headers["idempotency-key"] == "k1"
    assert body == b'{"card": "a", "amount": "1.5"}\n{"card": 7}\n'
    door.routes["POST", "/v1/sources/tx"] = lambda handler, body: error(handler, 409, 6005, "key_reused", "other body")
    with pytest.raises(KeyReused):
        db.insert("tx", [{}], idempotency_key="k1")


def event(tick: int, *rows: str, kind: str = "changes", more: bool = False, snapshot: bool = False) -> str:
    content: dict[str, Any] = {"tick": tick, "durable_tick": tick - 1, "changes": [["+I", {"card": row}] for row in rows]}
    content |= {"more": True} if more else {}
    content |= {"snapshot": True} if snapshot else {}
    return f"event: {kind}\ndata: {json.dumps(content)}\n" + ("" if more else f"id: {tick}\n") + "\n"


def test_a_subscription_goes_on_where_it_broke(door: ScriptedDoor) -> None:
    scripts = iter([
        (event(1, "a", snapshot=True), ": still here\n\n", event(2, "b", more=True), event(2, "c")),
        (event(3, "d", more=True),),                          # Breaks off within a tick: nothing of it may be seen.
        (),
        (event(3, "d", more=True), event(3, "e"), event(3, kind="reset")),
    ])  # fmt: skip
    door.routes["GET", "/v1/views/risky/changes"] = lambda handler, body: stream(handler, *next(scripts))
    seen = list(itertools.islice(hr.connect(door.url).subscribe("risky"), 4))
    rows = [(changes.tick, [row["card"] for _, row in changes.changes], changes.snapshot, changes.reset) for changes in seen]
    assert rows == [(1, ["a"], True, False), (2, ["b", "c"], False, False), (3, ["d", "e"], False, False), (3, [], False, True)]
    assert [path.partition("?")[2] for _, path, _, _ in door.requests] == ["", "since=2", "since=2", "since=2"]


def test_a_subscription_gives_up_on_what_cannot_come(door: ScriptedDoor) -> None:
    with pytest.raises(NotFound):
        next(hr.connect(door.url).subscribe("no_view", since=7))
    door.close()
    with pytest.raises(ConnectionError, match="has been away for more than 1 ms"):
        next(hr.connect(door.url).subscribe("risky", reconnect_for="1 ms"))


def test_db_api(door: ScriptedDoor) -> None:
    with dbapi.connect(door.url) as connection:
        cursor = connection.cursor()
        with pytest.raises(dbapi.InterfaceError):
            cursor.fetchone()
        cursor.execute("SELECT * FROM risky WHERE card = ?", ("a",))
        assert [(name, kind, precision, scale) for name, kind, _, _, precision, scale, _ in cursor.description or []] == [
            ("card", "string", None, None), ("amount", "decimal128(12, 2)", 12, 2), ("ts", "timestamp[us]", None, None)]  # fmt: skip
        kinds = [kind for _, kind, *_ in cursor.description or []]
        assert kinds[0] == dbapi.STRING and kinds[1] == dbapi.NUMBER and kinds[2] == dbapi.DATETIME and kinds[0] != dbapi.NUMBER
        assert cursor.rowcount == 2
        assert cursor.fetchone()[0] == "a"  # type: ignore[index]
        assert cursor.fetchmany(5)[0][0] is None
        assert cursor.fetchone() is None and cursor.fetchall() == []
        assert len(list(cursor.execute("SELECT 1"))) == 2
        connection.commit()
        with pytest.raises(dbapi.NotSupportedError):
            connection.rollback()
        for status, code, kind in ((400, 2001, dbapi.ProgrammingError), (429, 6007, dbapi.OperationalError), (400, 3003, dbapi.DataError)):
            door.routes["POST", "/v1/sql"] = lambda handler, body, s=status, c=code: error(handler, s, c, "", "no")
            with pytest.raises(kind) as failure:
                cursor.execute("SELECT")
            assert isinstance(failure.value.__cause__, hr.HeadraceError)
    with pytest.raises(dbapi.InterfaceError):
        connection.cursor().execute("SELECT 1")
    assert isinstance(failure.value.__cause__, hr.HeadraceError) and not isinstance(failure.value.__cause__, Overloaded)


# ---- The prompt --------------------------------------------------------------------------------------------------------------------


def shell(door: ScriptedDoor, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "headrace.shell", door.url, *arguments], input=text, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": PACKAGE})  # fmt: skip


def test_one_statement_from_the_command_line(door: ScriptedDoor) -> None:
    done = shell(door, "-c", "SELECT 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "card | amount | ts\n-----+--------+--------------------\na    |   1.50 | 2026-01-01 00:00:00\nNULL |  -2.00 | NULL\n(2 rows)\n"
    )
    assert shell(door, "--format", "csv", "-c", "SELECT 1;").stdout == "card,amount,ts\na,1.50,2026-01-01 00:00:00\n,-2.00,\n"
    rows = json.loads(shell(door, "--format", "json", "-c", "SELECT 1").stdout)
    assert rows == [{"card": "a", "amount": "1.50", "ts": "2026-01-01 00:00:00"}, {"card": None, "amount": "-2.00", "ts": None}]


def test_a_script_on_standard_input_stops_at_its_first_error(door: ScriptedDoor) -> None:
    done = shell(door, text="\\d\n\\d risky\nSELECT ';' -- one;\n; SELECT 2;\n\\d nothing\nSELECT 3;")
    assert done.returncode == 1
    assert done.stdout.startswith("view   changes  key   rows\nrisky  upsert   card  2\ncard    VARCHAR\namount  DECIMAL(12,2)\n")
    assert "there is no view nothing" in done.stderr
    assert [json.loads(body)["sql"] for method, _, _, body in door.requests if method == "POST"] == ["SELECT ';' -- one;", "SELECT 2"]


def test_errors_go_to_standard_error(door: ScriptedDoor) -> None:
    door.routes["POST", "/v1/sql"] = lambda handler, body: error(handler, 400, 2003, "unknown_column", "no", remedy="yes")
    done = shell(door, "-c", "SELECT x")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error 2003 (unknown_column): no\n  remedy: yes\n")
    door.close()
    done = shell(door, "-c", "SELECT x")
    assert done.returncode == 1 and "no engine answers" in done.stderr and "Traceback" not in done.stderr


def test_the_prompt_on_a_terminal(door: ScriptedDoor, tmp_path: pathlib.Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": PACKAGE, "XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1", "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-m", "headrace.shell", door.url], stdin=theirs, stdout=theirs, stderr=theirs,
                               env=environment, start_new_session=True)  # fmt: skip
    os.close(theirs)
    seen = ""

    def expect(pattern: str) -> None:
        nonlocal seen
        while not re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen), re.DOTALL):
            ready, _, _ = select.select([ours], [], [], 120)
            assert ready, f"{pattern!r} did not come; there is {seen!r}"
            text = os.read(ours, 65536).decode("utf-8", "replace")
            if "\x1b[6n" in text:  # The terminal is asked where its cursor is.
                os.write(ours, b"\x1b[1;1R")
            seen += text

    expect("headrace>")
    os.write(ours, b"SELECT *\r")
    expect(r"\.\.\.")
    os.write(ours, b"FROM risky;\r")
    expect(r"\(2 rows\).*ms, tick 42, durable tick 40")
    os.write(ours, b"\\d ris\t\r")
    expect("there is no view|DECIMAL")
    os.write(ours, b"\\q\r")
    assert process.wait(120) == 0
    assert "\x1b[31m" not in seen
    os.close(ours)
    assert "+FROM risky;" in (tmp_path / "headrace/sql_history").read_text()
    assert json.loads(next(body for method, _, _, body in door.requests if method == "POST"))["sql"] == "SELECT *\nFROM risky"
