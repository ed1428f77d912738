"""`@hr.function`: a Python function that SQL can call."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar, Unpack, cast, overload

from headrace.column_types import ColumnHint
from headrace.errors import BadConfig
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

_ROWS_PER_CALL_MAX = 32_768
_MARGIN_MS = 30_000  # For what an asynchronous function does beside waiting.

P = ParamSpec("P")
R = TypeVar("R")


class Function(UserFunction, Generic[P, R]):
    """A scalar or vectorized function. Calling it in Python calls the body as it stands.

    Attributes:
        name: as called in SQL.
        vectorized: the body takes and gives whole columns.
        concurrency: how many look-ups of an asynchronous function run side by side; 0 = it is not asynchronous.
        options: memory, timeout and the other keywords of `hr.function`.
    """

    def __init__(self, body: Callable[P, R], options: FunctionOptions, vectorized: bool = False, concurrency: int = 0) -> None:
        super().__init__(body, options)
        self.vectorized = vectorized
        self.concurrency = concurrency
        self.kind = "vectorized" if vectorized else "scalar"

    @property
    def call_timeout_ms(self) -> int:
        if not self.concurrency or not self.options.timeout_ms:
            return self.options.timeout_ms
        return self.options.timeout_ms * math.ceil(_ROWS_PER_CALL_MAX / self.concurrency) + _MARGIN_MS

    @property
    def workers(self) -> int:
        return self.options.workers or (1 if self.concurrency else 0)  # Who is asked counts on `concurrency`.

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, self.body(*args, **kwargs))

    def _read_signature(self) -> Signature:
        hints = hints_of(self.body, self.name)
        read = self._array_hint if self.vectorized else value_hint
        parameters = {parameter: read(hints, parameter, self.name) for parameter in parameters_of(self.body, self.name)}
        return Signature(parameters, read(hints, "return", self.name))

    @staticmethod
    def _array_hint(hints: dict[str, object], key: str, name: str) -> ColumnHint:
        found = read_hint(hints, key, name)
        if found.container == "value":
            what = "the result" if key == "return" else f"the parameter {key!r}"
            raise BadConfig(
                f"{name}: {what} of a vectorized function is an array",
                remedy="write pa.DoubleArray, npt.NDArray[np.float64] or hr.column(float)",
            )
        return found


@overload
def function(body: Callable[P, R], /) -> Function[P, R]: ...
@overload
def function(
    *, vectorized: bool = False, asynchronous: bool = False, concurrency: int = 100, **options: Unpack[Options]
) -> Callable[[Callable[P, R]], Function[P, R]]: ...
def function(
    body: Callable[P, R] | None = None,
    /,
    *,
    vectorized: bool = False,
    asynchronous: bool = False,
    concurrency: int = 100,
    **options: Unpack[Options],
) -> Function[P, R] | Callable[[Callable[P, R]], Function[P, R]]:
    """Makes a function callable from SQL, row by row or (vectorized) on whole columns.

    A scalar function's types are its hints, and a NULL argument gives NULL without a call unless its hint says `| None`.
    A vectorized function takes pyarrow arrays (numpy, pandas: see `hr.column`) of one length and gives one of the same length;
    its arguments lie in shared memory and are valid until it returns. With numpy and pandas, rows with a NULL are left out of
    the call and give NULL. An asynchronous function is a scalar one written as `async def`, for look-ups outside: those of a batch
    run side by side on one event loop, and the order of the rows is kept.

    Args:
        vectorized: takes and gives columns instead of values.
        asynchronous: is an `async def`; its `timeout` is that of one look-up.
        concurrency: how many look-ups of an asynchronous function run side by side at most, in each of its processes.
        options: memory, timeout, on_error, workers, deterministic ...: see `headrace.user_function.Options`.

    Raises:
        BadConfig: an option is out of range or not offered yet (code 1001).
        BadDuration: `timeout` is no duration (code 1004).

    >>> @function(timeout="2 s", on_error="null")
    ... def cents(amount: float) -> int:
    ...     return round(amount * 100)
    >>> cents(1.5), str(cents.signature.result.type)
    (150, 'BIGINT')
    """
    read = read_options(options)
    if type(concurrency) is not int or concurrency < 1:
        raise BadConfig(f"concurrency = {concurrency!r} is not a number from 1 on")
    if asynchronous and vectorized:
        raise BadConfig("an asynchronous function is called row by row, not vectorized")

    def decorate(body: Callable[P, R]) -> Function[P, R]:
        if not inspect.isfunction(body) or inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
            raise BadConfig(f"hr.function decorates a plain function, not {body!r}")
        if inspect.iscoroutinefunction(body) != asynchronous:
            raise BadConfig(f"{body.__name__}: an `async def` and asynchronous=True belong together")
        return Function(body, read, bool(vectorized), concurrency if asynchronous else 0)

    return decorate if body is None else decorate(body)
