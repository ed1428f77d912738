"""`@hr.process`: rows of one key after another, with state and event-time timers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Unpack

from headrace.column_types import ColumnHint, struct_of
from headrace.errors import BadConfig
from headrace.schema import Schema
from headrace.user_function import FunctionOptions, Options, Signature, UserFunction, read_options


class ProcessFunction(UserFunction):
    """A keyed process function. Calling it in Python makes an instance of the class."""

    kind = "process"

    def __init__(self, body: type, options: FunctionOptions, key: tuple[str, ...], state: Schema, output: Schema) -> None:
        super().__init__(body, options)
        self.key = key
        self.state = state
        self.output = output

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.body(*args, **kwargs)

    def _read_signature(self) -> Signature:
        return Signature({}, ColumnHint(struct_of(self.output.columns)), self.state.columns, self.key)


def process(*, key: str | Sequence[str], state: Schema, output: Schema, **options: Unpack[Options]) -> Callable[[type], ProcessFunction]:
    """Makes a class a table function over a keyed stream: `FROM Velocity(TABLE tx PARTITION BY card)`.

    The engine keeps the state of each key: `state` has an attribute per column, None at first, and what they are after a call is
    saved in checkpoints. A key whose state is all None and that waits for no timer is forgotten. Rows of a key come in order of
    arrival, with timers of the key between them where the watermark passed; how many rows a call of the process gets is the
    engine's choice.

    The class has `on_row(self, key, row, state, timers)`, called for each row, or `on_rows(self, key, rows, state, timers)` with a
    pyarrow RecordBatch of consecutive rows (faster; the engine may cut a key's rows anywhere, and a timer that on_rows sets comes
    behind its rows at the earliest), and maybe
    `on_timer(self, key, at, state, timers)`. Each gives nothing, or rows as dicts, or tuples in the order of `output`; on_rows may
    give a RecordBatch. `timers.at(time, name)` sets the timer `name` of the key (or moves it), `timers.cancel(name)` takes it back,
    and `timers.name` is the one that has come. A timer set in on_timer lies behind the one that has come.

    Args:
        key: the column (or columns) that PARTITION BY names; `key` of a call is its value, of several columns a tuple.
        state: what is kept per key.
        output: the columns of the rows that are given out.
        options: memory, timeout, on_error, workers ...: see `headrace.user_function.Options`.

    Raises:
        BadConfig: the class has no on_row and no on_rows, or an option is wrong (code 1001).

    >>> @process(key="card", state=Schema(n=int), output=Schema(card=str, n=int))
    ... class Velocity:
    ...     def on_row(self, key, row, state, timers):
    ...         state.n = (state.n or 0) + 1
    ...         yield {"card": key, "n": state.n}
    >>> Velocity.kind, Velocity.signature.key, str(Velocity.signature.result.type)
    ('process', ('card',), 'STRUCT(card VARCHAR, n BIGINT)')
    """
    read = read_options(options)
    keys = (key,) if isinstance(key, str) else tuple(key)
    if not keys or not all(isinstance(name, str) for name in keys):
        raise BadConfig(f"key = {key!r} is not the name of a column, or several", remedy='write key="card"')

    def decorate(body: type) -> ProcessFunction:
        if not inspect.isclass(body):
            raise BadConfig(f"hr.process decorates a class, not {body!r}")
        if callable(getattr(body, "on_row", None)) == callable(getattr(body, "on_rows", None)):
            raise BadConfig(f"{body.__name__} has on_row and on_rows, or neither", remedy="write on_row, or on_rows for whole batches")
        return ProcessFunction(body, read, keys, state, output)

    return decorate
