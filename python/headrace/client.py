"""`hr.connect`: queries, views and changes of a running engine."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import http.client
import json
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from headrace.door import Door
from headrace.errors import BadConfig, Stopping
from headrace.quantities import duration_ms

if TYPE_CHECKING:
    import pandas
    import pyarrow

ARROW = "application/vnd.apache.arrow.stream"


class Answer:
    """The rows of a query, all read at one tick.

    Attributes:
        tick: the tick whose views were read.
        durable_tick: the newest tick that outlives a crash; `tick` may be ahead of it.
    """

    def __init__(self, table: pyarrow.Table, tick: int, durable_tick: int) -> None:
        self._table = table
        self.tick = tick
        self.durable_tick = durable_tick

    @property
    def columns(self) -> list[str]:
        return list(self._table.column_names)

    def arrow(self) -> pyarrow.Table:
        """The rows as a pyarrow Table."""
        return self._table

    def df(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame; pandas must be installed."""
        frame: pandas.DataFrame = self._table.to_pandas()
        return frame

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows as tuples of Python values; NULL is None."""
        return list(zip(*(column.to_pylist() for column in self._table.columns), strict=True)) if self._table.num_columns else []

    def __len__(self) -> int:
        return int(self._table.num_rows)


@dataclasses.dataclass(frozen=True)
class Changes:
    """What one tick changed in a view.

    Attributes:
        tick: the tick; give it as `since` to go on after it.
        durable_tick: changes up to this tick outlive a crash.
        changes: (kind, row) with kind "+I" (inserted), "-D" (deleted), "-U" and "+U" (an update's old and new row).
        snapshot: the rows are the whole view; what was seen before no longer counts.
        reset: corrects what was seen beyond the durable tick before a crash of the engine.
    """

    tick: int
    durable_tick: int
    changes: list[tuple[str, dict[str, Any]]]
    snapshot: bool = False
    reset: bool = False


@dataclasses.dataclass(frozen=True)
class Admitted:
    """What became of rows that were sent.

    Attributes:
        accepted, quarantined: rows; together all that were sent.
        position: records of the source after this request.
        repeated: the idempotency key was known, nothing was added.
        records: the quarantined ones: {"index": n, "error": {"code", "name", "message"}}.
    """

    accepted: int
    quarantined: int
    position: int
    repeated: bool = False
    records: list[dict[str, Any]] = dataclasses.field(default_factory=list)


class Connection:
    """A running engine. Made by `connect`; close it, or use it in a `with` statement."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def sql(self, sql: str, parameters: Sequence[Any] = ()) -> Answer:
        """Runs one SELECT over the views.

        Args:
            parameters: the values of `?` or `$1`, `$2`, ...: None, bool, int, float, str, Decimal, date, time or datetime.

        Raises:
            SqlError, QueryFailed: the statement is wrong, or failed (codes 2xxx, 6011).
            ConnectionError: the engine cannot be reached.
        """
        body = json.dumps({"sql": sql, "parameters": [_parameter(value) for value in parameters]}).encode()
        reply = self._door.request("POST", "/v1/sql", body, {"Content-Type": "application/json", "Accept": ARROW})
        return _answer(reply.body, reply.headers)

    def view(self, name: str, *, limit: int = 1000, offset: int = 0) -> Answer:
        """Gives rows `offset` to `offset + limit` of a view, in the view's own order.

        Raises:
            NotFound: there is no such view (code 6003).
        """
        path = f"/v1/views/{urllib.parse.quote(name, safe='')}?limit={int(limit)}&offset={int(offset)}"
        reply = self._door.request("GET", path, headers={"Accept": ARROW})
        return _answer(reply.body, reply.headers)

    def views(self) -> list[dict[str, Any]]:
        """The views: {"name", "columns": [{"name", "type"}], "key": [...], "changelog", "time_column", "rows"}."""
        return list(self._get("/v1/views")["views"])

    def insert(self, source: str, rows: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None) -> Admitted:
        """Sends rows to an http or log source; they are durable when this returns.

        Args:
            idempotency_key: a text of your choice: the same key with the same rows is taken once, however often it is sent.

        Raises:
            KeyReused: the key came with other rows before (code 6005).
            Overloaded, Stopping: send again later (codes 6007, 6008).
        """
        body = "".join(json.dumps(row, default=_parameter) + "\n" for row in rows).encode()
        headers = {"Content-Type": "application/x-ndjson"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        path = f"/v1/sources/{urllib.parse.quote(source, safe='')}"
        reply = self._door.request("POST", path, body, headers, repeatable=idempotency_key is not None).json()
        return Admitted(**{field.name: reply[field.name] for field in dataclasses.fields(Admitted) if field.name in reply})

    def subscribe(self, view: str, *, since: int | None = None, reconnect_for: str | datetime.timedelta = "60 s") -> Iterator[Changes]:
        """Follows a view: first its rows (or, with `since`, what came after that tick), then each tick's changes, without an end.

        A broken connection is made again and goes on where it was.

        Args:
            since: a tick seen before; of an earlier `Changes`.
            reconnect_for: how long an engine may be away.

        Raises:
            NotFound: there is no such view (code 6003).
            ConnectionError: the engine was away for longer than `reconnect_for`.
        """
        return _follow(self._door, view, since, duration_ms(reconnect_for))

    def status(self) -> dict[str, Any]:
        """The pipeline's counters, as `GET /v1/status` gives them."""
        return dict(self._get("/v1/status"))

    def close(self) -> None:
        self._door.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _get(self, path: str) -> Any:
        return self._door.request("GET", path, headers={"Accept": "application/json"}).json()


def connect(url: str = "http://localhost:8480", *, token: str | None = None, timeout: str | datetime.timedelta = "60 s") -> Connection:
    """Connects to a running engine. Nothing is sent before the first request.

    Args:
        url: the engine's address.
        token: a bearer token, where the engine wants one.
        timeout: longest wait for one answer.

    Raises:
        BadConfig: `url` is no address (code 1001).

    >>> with connect("http://localhost:8480") as db:
    ...     type(db).__name__
    'Connection'
    """
    return Connection(Door(url, token=token, timeout_ms=duration_ms(timeout)))


def _answer(body: bytes, headers: Mapping[str, str]) -> Answer:
    import pyarrow

    with pyarrow.ipc.open_stream(body) as stream:
        table = stream.read_all()
    return Answer(table, int(headers.get("headrace-tick", 0)), int(headers.get("headrace-durable-tick", 0)))


def _parameter(value: Any) -> Any:
    """JSON has few types; what it lacks goes as text, which SQL compares with columns of those types."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    remedy = "give None, bool, int, float, str, Decimal, date, time or datetime"
    raise BadConfig(f"a {type(value).__name__} cannot be a parameter", remedy=remedy)


# ---- Following a view --------------------------------------------------------------------------------------------------------------

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0


def _follow(door: Door, view: str, since: int | None, reconnect_ms: int) -> Iterator[Changes]:
    path = f"/v1/views/{urllib.parse.quote(view, safe='')}/changes"
    away_since_s: float | None = None
    wait_s = _FIRST_WAIT_S
    while True:
        query = "" if since is None else f"?since={since}"
        try:
            connection, answer = door.open_stream(path + query, {"Accept": "text/event-stream"})
            try:
                for changes in _whole_ticks(answer):
                    away_since_s, wait_s = None, _FIRST_WAIT_S
                    since = changes.tick
                    yield changes
            finally:
                answer.close()
                connection.close()
        except (OSError, http.client.HTTPException, Stopping) as failure:
            if away_since_s is not None and (time.monotonic() - away_since_s) * 1000 > reconnect_ms:
                raise ConnectionError(f"{door.address} has been away for more than {reconnect_ms} ms: {failure}") from failure
        if away_since_s is None:
            away_since_s = time.monotonic()
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _whole_ticks(lines: Iterable[bytes]) -> Iterator[Changes]:
    """A tick comes in one or more events; a tick that breaks off in the middle is not given at all, and comes again."""
    rows: list[tuple[str, dict[str, Any]]] = []
    snapshot = reset = False
    for event, data in events(lines):
        if event not in ("changes", "reset"):
            continue
        content = json.loads(data)
        rows += [(kind, row) for kind, row in content["changes"]]
        snapshot = snapshot or bool(content.get("snapshot"))
        reset = reset or event == "reset"
        if content.get("more"):
            continue
        yield Changes(content["tick"], content["durable_tick"], rows, snapshot, reset)
        rows, snapshot, reset = [], False, False


def events(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Reads the events of a text/event-stream: pairs of name and data.

    >>> list(events([b"event: a\\n", b"data: 1\\n", b"data: 2\\n", b"\\n", b": a comment\\n", b"data: cut off\\n"]))
    [('a', '1\\n2')]
    """
    name, data = "message", list[str]()
    for raw in lines:
        line = raw.decode("utf-8").rstrip("\r\n")
        if not line:
            if data:
                yield name, "\n".join(data)
            name, data = "message", []
        elif line.startswith("event:"):
            name = line[6:].removeprefix(" ")
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
