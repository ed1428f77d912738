"""`@hr.source` and `@hr.sink`: where rows come from and go to, in Python."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, Unpack, overload

from headrace.column_types import ColumnHint, ColumnType, struct_of
from headrace.errors import BadConfig
from headrace.user_function import Options, Signature, UserFunction, read_options

_TEXT = ColumnType("VARCHAR")


class SourceFunction(UserFunction):
    """A source of rows. Calling it in Python calls the generator."""

    kind = "source"

    @property
    def workers(self) -> int:
        return self.options.workers or 1  # The generator lives on between calls.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.body(*args, **kwargs)

    def _read_signature(self) -> Signature:
        if len(inspect.signature(self.body).parameters) != 1:
            raise BadConfig(f"{self.name} takes one argument: the position from which to go on, or None at the beginning")
        result = struct_of({"records": _TEXT, "position": _TEXT, "ended": ColumnType("BOOLEAN")})
        return Signature({"position": ColumnHint(_TEXT, nullable=True)}, ColumnHint(result))


class SinkFunction(UserFunction):
    """A sink for rows. Calling it in Python calls the body."""

    kind = "sink"

    @property
    def workers(self) -> int:
        return self.options.workers or 1  # Rows come in order.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.body(*args, **kwargs)

    def _read_signature(self) -> Signature:
        if len(inspect.signature(self.body).parameters) != 2:
            raise BadConfig(f"{self.name} takes two arguments: the rows, and the commit they belong to")
        return Signature({"records": ColumnHint(_TEXT), "commit": ColumnHint(_TEXT)}, ColumnHint(ColumnType("BOOLEAN")))


Generator = Callable[[str | None], AsyncIterator[tuple[list[dict[str, Any]], str]]]


@overload
def source(body: Generator, /) -> SourceFunction: ...
@overload
def source(**options: Unpack[Options]) -> Callable[[Generator], SourceFunction]: ...
def source(body: Generator | None = None, /, **options: Unpack[Options]) -> SourceFunction | Callable[[Generator], SourceFunction]:
    """Makes an async generator a source: `CREATE SOURCE t (...) WITH (connector = 'python', function = 'numbers')`.

    It yields batches: a list of rows (dicts by the names of the source's columns), and the position behind them as text. It is
    called with the last position that a checkpoint holds, None at the beginning, and must go on there with the same rows: then each
    row counts exactly once. It ends when the source has ended. A row that does not fit the columns goes to the quarantine.

    Args:
        options: memory, timeout, on_error, workers ...: see `headrace.user_function.Options`.

    Raises:
        BadConfig: not an async generator, or an option is wrong (code 1001).

    >>> @source
    ... async def numbers(position):
    ...     for n in range(int(position or 0), 3):
    ...         yield [{"n": n}], str(n + 1)
    >>> numbers.kind
    'source'
    """
    read = read_options(options)

    def decorate(body: Generator) -> SourceFunction:
        if not inspect.isasyncgenfunction(body):
            raise BadConfig(f"hr.source decorates an async generator, not {body!r}", remedy="write `async def` with `yield rows, position`")
        return SourceFunction(body, read)

    return decorate if body is None else decorate(body)


@overload
def sink(body: Callable[..., Any], /) -> SinkFunction: ...
@overload
def sink(**options: Unpack[Options]) -> Callable[[Callable[..., Any]], SinkFunction]: ...
def sink(
    body: Callable[..., Any] | None = None, /, **options: Unpack[Options]
) -> SinkFunction | Callable[[Callable[..., Any]], SinkFunction]:
    """Makes a function (plain or async) a sink: `CREATE SINK s WITH (connector = 'python', function = 'deliver') AS SELECT ...`.

    It is called as `deliver(rows, commit)` with the rows of one checkpoint, as dicts, when that checkpoint is durable. `commit` names
    them for ever: after a crash the same rows may come once more under the same name. Who remembers the names of what has been
    delivered, in the same transaction, has each row exactly once; who does not has it at least once. A row of a result that changes
    has `_op`, "+I" or "-D".

    Args:
        options: memory, timeout, on_error, workers ...: see `headrace.user_function.Options`.

    Raises:
        BadConfig: not a function, or an option is wrong (code 1001).

    >>> @sink
    ... def deliver(rows, commit):
    ...     print(commit, rows)
    >>> deliver.kind
    'sink'
    """
    read = read_options(options)

    def decorate(body: Callable[..., Any]) -> SinkFunction:
        if not inspect.isfunction(body) or inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
            raise BadConfig(f"hr.sink decorates a plain function, not {body!r}")
        return SinkFunction(body, read)

    return decorate if body is None else decorate(body)
