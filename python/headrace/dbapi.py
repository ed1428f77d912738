"""DB-API 2.0 (PEP 249) over a running engine: for tools that speak it. Reading only; there are no transactions to commit.

import headrace.dbapi
with headrace.dbapi.connect("http://localhost:8480") as connection:
    cursor = connection.cursor()
    cursor.execute("SELECT card, score FROM risky WHERE score > ?", [0.9])
    print(cursor.fetchall())
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from headrace import client
from headrace.errors import ConfigError, FunctionError, HeadraceError, RecordError, RequestError, SqlError

apilevel = "2.0"
threadsafety = 2  # Threads may share the module and connections.
paramstyle = "qmark"

T = TypeVar("T")


class Warning(Exception):
    """Never raised; the specification has it."""


class Error(Exception):
    """The base of all errors here; `__cause__` is the HeadraceError, with code and remedy."""


class InterfaceError(Error):
    """The cursor or connection was used in a wrong way."""


class DatabaseError(Error):
    """The engine answered with an error."""


class DataError(DatabaseError):
    """A value is out of range or of the wrong type."""


class OperationalError(DatabaseError):
    """The engine cannot be reached, is overloaded or stopping, or does not let us in."""


class IntegrityError(DatabaseError):
    """Never raised; the specification has it."""


class InternalError(DatabaseError):
    """A bug in the engine."""


class ProgrammingError(DatabaseError):
    """The statement is wrong."""


class NotSupportedError(DatabaseError):
    """The engine has no such thing."""


Date, Time, Timestamp, Binary = datetime.date, datetime.time, datetime.datetime, bytes


def DateFromTicks(ticks: float) -> datetime.date:  # noqa: N802
    return datetime.date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:  # noqa: N802
    return datetime.time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:  # noqa: N802
    return datetime.datetime(*time.localtime(ticks)[:6])


class _TypeGroup:
    """Equal to the type codes (Arrow's names of types) that belong to it."""

    def __init__(self, *prefixes: str) -> None:
        self._prefixes = prefixes

    def __eq__(self, other: object) -> bool:
        return other is self or (isinstance(other, str) and other.startswith(self._prefixes))

    def __hash__(self) -> int:
        return hash(self._prefixes)


STRING = _TypeGroup("string", "large_string")
BINARY = _TypeGroup("binary", "large_binary")
NUMBER = _TypeGroup("int", "uint", "float", "double", "halffloat", "decimal")
DATETIME = _TypeGroup("timestamp", "date", "time")
ROWID = _TypeGroup("no type is a row id")


def connect(url: str = "http://localhost:8480", *, token: str | None = None, timeout: str = "60 s") -> Connection:
    """Connects to a running engine; the arguments are those of `hr.connect`.

    >>> connect("http://localhost:8480").cursor().arraysize
    1
    """
    return Connection(_mapped(lambda: client.connect(url, token=token, timeout=timeout)))


class Connection:
    def __init__(self, engine: client.Connection) -> None:
        self._engine: client.Connection | None = engine

    def cursor(self) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        """Nothing to do: every statement reads."""
        self._open()

    def rollback(self) -> NoReturn:
        raise NotSupportedError("there are no transactions")

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
        self._engine = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _open(self) -> client.Connection:
        if self._engine is None:
            raise InterfaceError("the connection is closed")
        return self._engine


class Cursor:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.description: list[tuple[str, str, None, None, int | None, int | None, bool | None]] | None = None
        self.rowcount = -1
        self._rows: list[tuple[Any, ...]] | None = None
        self._next = 0
        self._closed = False

    def execute(self, operation: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Runs one SELECT; `?` stands for a parameter."""
        engine = self._checked()
        self.description, self._rows, self.rowcount = None, None, -1
        answer = _mapped(lambda: engine.sql(operation, parameters))
        self.description = [_described(field) for field in answer.arrow().schema]
        self._rows, self._next, self.rowcount = answer.fetchall(), 0, len(answer)
        return self

    def executemany(self, operation: str, seq_of_parameters: Sequence[Sequence[Any]]) -> NoReturn:
        raise NotSupportedError("statements read; run them one by one with execute()")

    def fetchone(self) -> tuple[Any, ...] | None:
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        self._checked()
        if self._rows is None:
            raise InterfaceError("nothing has been executed")
        first = self._next
        self._next = min(len(self._rows), first + (self.arraysize if size is None else size))
        return self._rows[first : self._next]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.fetchmany(self.rowcount)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchone, None)

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Does nothing, as the specification allows."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing, as the specification allows."""

    def close(self) -> None:
        self._closed = True

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _checked(self) -> client.Connection:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        return self.connection._open()


def _described(field: Any) -> tuple[str, str, None, None, int | None, int | None, bool | None]:
    precision = getattr(field.type, "precision", None) if str(field.type).startswith("decimal") else None
    scale = getattr(field.type, "scale", None) if precision is not None else None
    return field.name, str(field.type), None, None, precision, scale, field.nullable


def _mapped(run: Callable[[], T]) -> T:
    try:
        return run()
    except HeadraceError as failure:
        raise _error_of(failure)(str(failure)) from failure
    except ConnectionError as failure:
        raise OperationalError(str(failure)) from failure


def _error_of(failure: HeadraceError) -> type[DatabaseError]:
    if isinstance(failure, (SqlError, ConfigError)) or failure.code in (6003, 6004, 6011, 6013):
        return ProgrammingError
    if isinstance(failure, (RecordError, FunctionError)):
        return DataError
    if isinstance(failure, RequestError) or 5000 <= failure.code < 6000:
        return OperationalError
    return InternalError
