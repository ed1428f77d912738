"""`@hr.table`: any number of rows for one row."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable
from typing import Any, Unpack, overload

from headrace.column_types import ColumnHint, struct_of
from headrace.errors import BadConfig
from headrace.schema import Schema, columns_of
from headrace.user_function import (
    FunctionOptions,
    Options,
    Signature,
    UserFunction,
    hints_of,
    parameters_of,
    read_hint,
    read_options,
    value_hint,
)

_MANY = (collections.abc.Iterator, collections.abc.Iterable, collections.abc.Generator, collections.abc.Sequence, list)


class TableFunction(UserFunction):
    """A table function. Calling it in Python calls the body."""

    kind = "table"

    def __init__(self, body: Callable[..., Any], options: FunctionOptions, output: Schema | None) -> None:
        super().__init__(body, options)
        self.output = output

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.body(*args, **kwargs)

    def _read_signature(self) -> Signature:
        hints = hints_of(self.body, self.name)
        parameters = {name: value_hint(hints, name, self.name) for name in parameters_of(self.body, self.name)}
        if not parameters:
            raise BadConfig(f"{self.name}: a table function takes at least one argument")
        if self.output is not None:
            return Signature(parameters, ColumnHint(struct_of(self.output.columns)))
        return Signature(parameters, read_hint(hints, "return", self.name, self._rows_of))

    def _rows_of(self, hint: Any) -> ColumnHint:
        arguments = typing.get_args(hint)
        if typing.get_origin(hint) not in _MANY or not arguments:
            raise BadConfig("a table function gives many rows", remedy="write Iterator[str], of a NamedTuple, or output=hr.Schema(...)")
        return ColumnHint(struct_of(columns_of(arguments[0], self.name)))


@overload
def table(body: Callable[..., Any], /) -> TableFunction: ...
@overload
def table(*, output: Schema | None = None, **options: Unpack[Options]) -> Callable[[Callable[..., Any]], TableFunction]: ...
def table(
    body: Callable[..., Any] | None = None, /, *, output: Schema | None = None, **options: Unpack[Options]
) -> TableFunction | Callable[[Callable[..., Any]], TableFunction]:
    """Makes a function that gives any number of rows for one row: `FROM lines, LATERAL words(lines.text) AS w(word)`.

    The hint of the result says the columns: `Iterator[str]` one column that is called as the function, an iterator of a NamedTuple,
    dataclass or TypedDict its fields. A NULL argument gives no rows without a call, unless its hint says `| None`.

    Args:
        output: the columns, where the hint does not say them; rows are then dicts or tuples.
        options: memory, timeout, on_error, workers ...: see `headrace.user_function.Options`.

    Raises:
        BadConfig: an option is out of range or not offered yet (code 1001).

    >>> from collections.abc import Iterator
    >>> @table
    ... def words(line: str) -> Iterator[str]:
    ...     yield from line.split()
    >>> list(words("to be")), str(words.signature.result.type)
    (['to', 'be'], 'STRUCT(words VARCHAR)')
    """
    read = read_options(options)

    def decorate(body: Callable[..., Any]) -> TableFunction:
        if not inspect.isfunction(body) or inspect.iscoroutinefunction(body):
            raise BadConfig(f"hr.table decorates a plain function, not {body!r}")
        return TableFunction(body, read, output)

    return decorate if body is None else decorate(body)
