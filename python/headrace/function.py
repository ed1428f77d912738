"""`@hr.function`: a Python function that SQL can call."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload

from headrace.column_types import ColumnHint, hint_of
from headrace.errors import BadConfig, HeadraceError
from headrace.quantities import duration_ms, size_bytes

P = ParamSpec("P")
R = TypeVar("R")
OnError = Literal["quarantine", "null", "fail"]

WORKERS_MAX = 64


class Function(Generic[P, R]):
    """A function found by the engine. Calling it in Python calls the body as it stands.

    Attributes:
        name: as called in SQL.
        vectorized: the body takes and gives whole columns.
        options: memory, timeout and the other keywords of `hr.function`.
    """

    def __init__(self, body: Callable[P, R], options: FunctionOptions) -> None:
        functools.update_wrapper(self, body)
        self.body = body
        self.name = body.__name__
        self.options = options

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.body(*args, **kwargs)

    @property
    def vectorized(self) -> bool:
        return self.options.vectorized

    @property
    def file(self) -> str:
        return self.body.__code__.co_filename

    @property
    def line(self) -> int:
        return self.body.__code__.co_firstlineno

    @functools.cached_property
    def signature(self) -> Signature:
        """The columns the function takes and gives; read at first use, so that a hint may name what stands below it."""
        return _signature_of(self.body, self.vectorized)


@dataclasses.dataclass(frozen=True)
class FunctionOptions:
    vectorized: bool = False
    memory_bytes: int = 0
    timeout_ms: int = 0
    on_error: OnError = "quarantine"
    workers: int = 1
    deterministic: bool = True


@dataclasses.dataclass(frozen=True)
class Signature:
    parameters: dict[str, ColumnHint]
    result: ColumnHint


@overload
def function(body: Callable[P, R], /) -> Function[P, R]: ...
@overload
def function(
    *,
    vectorized: bool = False,
    memory: str | int | None = None,
    timeout: str | datetime.timedelta | None = None,
    on_error: OnError = "quarantine",
    workers: int = 1,
    deterministic: bool = True,
    isolation: Literal["process"] = "process",
    env: None = None,
    network: None = None,
    writes: None = None,
) -> Callable[[Callable[P, R]], Function[P, R]]: ...
def function(
    body: Callable[P, R] | None = None,
    /,
    *,
    vectorized: bool = False,
    memory: str | int | None = None,
    timeout: str | datetime.timedelta | None = None,
    on_error: OnError = "quarantine",
    workers: int = 1,
    deterministic: bool = True,
    isolation: str = "process",
    env: object = None,
    network: object = None,
    writes: object = None,
) -> Function[P, R] | Callable[[Callable[P, R]], Function[P, R]]:
    """Makes a function callable from SQL, row by row or (vectorized) on whole columns.

    A scalar function's types are its hints, and a NULL argument gives NULL without a call unless its hint says `| None`.
    A vectorized function takes pyarrow arrays (numpy, pandas: see `hr.column`) of one length and gives one of the same length;
    its arguments lie in shared memory and are valid until it returns. With numpy and pandas, rows with a NULL are left out of
    the call and give NULL.

    Args:
        vectorized: takes and gives columns instead of values.
        memory: what the function's process may allocate, such as "512 MB"; default 1 GiB. Beyond it: MemoryError.
        timeout: longest time of one call (one batch of rows), such as "2 s"; default 30 s. Beyond it the process is killed.
        on_error: what becomes of a row that makes the function fail: kept in the quarantine, given NULL, or the pipeline stops.
        workers: processes that run this function side by side, 1 to 64.
        deterministic: equal arguments give equal results, always. False keeps the planner from calling it twice for one row.
        isolation: "process": the function runs in its own supervised process.
        env, network, writes: not offered yet.

    Raises:
        BadConfig: an option is out of range or not offered yet (code 1001).
        BadDuration: `timeout` is no duration (code 1004).

    >>> @function(timeout="2 s", on_error="null")
    ... def cents(amount: float) -> int:
    ...     return round(amount * 100)
    >>> cents(1.5), str(cents.signature.result.type)
    (150, 'BIGINT')
    """
    if isolation != "process":
        raise BadConfig(f"isolation = {isolation!r} is not offered yet", remedy="leave it out: each function has its own process")
    for option, value in (("env", env), ("network", network), ("writes", writes)):
        if value is not None:
            raise BadConfig(f"the option {option!r} of a function is not offered yet", remedy="leave it out")
    if on_error not in typing.get_args(OnError):
        raise BadConfig(f"on_error = {on_error!r} is not one of 'quarantine', 'null', 'fail'")
    if type(workers) is not int or not 1 <= workers <= WORKERS_MAX:
        raise BadConfig(f"workers = {workers!r} is not a number from 1 to {WORKERS_MAX}")
    options = FunctionOptions(
        vectorized=bool(vectorized),
        memory_bytes=0 if memory is None else size_bytes(memory),
        timeout_ms=0 if timeout is None else duration_ms(timeout),
        on_error=on_error,
        workers=workers,
        deterministic=bool(deterministic),
    )

    def decorate(body: Callable[P, R]) -> Function[P, R]:
        if not inspect.isfunction(body) or inspect.iscoroutinefunction(body) or inspect.isgeneratorfunction(body):
            raise BadConfig(f"hr.function decorates a plain function, not {body!r}")
        return Function(body, options)

    return decorate if body is None else decorate(body)


def _signature_of(body: Callable[..., Any], vectorized: bool) -> Signature:
    name = body.__name__
    try:
        hints = typing.get_type_hints(body, include_extras=True)
    except (NameError, TypeError) as failure:
        raise BadConfig(f"a hint of {name} cannot be read: {failure}") from failure
    parameters: dict[str, ColumnHint] = {}
    for parameter in inspect.signature(body).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise BadConfig(f"{name}: the parameter {parameter.name!r} cannot be given from SQL", remedy="use positional ones only")
        if parameter.default is not parameter.empty:
            raise BadConfig(f"{name}: the parameter {parameter.name!r} has a default, and SQL gives every argument")
        parameters[parameter.name] = _column_of(hints, parameter.name, f"the parameter {parameter.name!r}", name, vectorized)
    result = _column_of(hints, "return", "the result", name, vectorized)
    return Signature(parameters, result)


def _column_of(hints: dict[str, Any], key: str, what: str, name: str, vectorized: bool) -> ColumnHint:
    if key not in hints:
        raise BadConfig(f"{name}: {what} has no type hint")
    try:
        found = hint_of(hints[key])
    except HeadraceError as failure:
        raise BadConfig(f"{name}: {what}: {failure.message}", remedy=failure.remedy) from None
    if vectorized and found.container == "value":
        raise BadConfig(
            f"{name}: {what} of a vectorized function is an array",
            remedy="write pa.DoubleArray, npt.NDArray[np.float64] or hr.column(float)",
        )
    if not vectorized and found.container != "value":
        raise BadConfig(f"{name}: {what} is an array", remedy="write @hr.function(vectorized=True)")
    return found
