"""What every kind of user function has in common: a name in SQL, options, and the columns it takes and gives."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import inspect
import pathlib
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypedDict, cast

from headrace.column_types import ColumnHint, ColumnType, hint_of
from headrace.environments import check_env
from headrace.errors import BadConfig, HeadraceError
from headrace.quantities import duration_ms, size_bytes

OnError = Literal["quarantine", "null", "fail"]
Kind = Literal["scalar", "vectorized", "aggregate", "accumulator", "table", "process", "source", "sink"]

WORKERS_MAX = 64


class Options(TypedDict, total=False):
    """The keywords that every decorator takes.

    memory: what the function's process may allocate, such as "512 MB"; default 1 GiB. Beyond it: MemoryError.
    timeout: longest time of one call (one batch of rows), such as "2 s"; default 30 s. Beyond it the process is killed.
    on_error: what becomes of a row that makes the function fail: kept in the quarantine, given NULL, or the pipeline stops.
    workers: processes that run this function side by side, 1 to 64; by default as many as the engine calls at once, at most one a
        shard, and one for sources, sinks and look-ups.
    deterministic: equal arguments give equal results, always. False keeps the planner from calling it twice for one row.
    isolation: "process": the function runs in its own supervised process, as all do but ONNX models (see `hr.model`).
    network: may open sockets. Enforced where the kernel has seccomp.
    writes: files and folders, absolute or in the project, that it may write to. Enforced where the kernel has Landlock.
    env: a lock file, or a folder with a requirements.lock, in the project: the functions of the file run in an environment made of it.
    """

    memory: str | int | None
    timeout: str | datetime.timedelta | None
    on_error: OnError
    workers: int
    deterministic: bool
    isolation: Literal["process"]
    env: str
    network: bool
    writes: Sequence[str]


@dataclasses.dataclass(frozen=True)
class FunctionOptions:
    memory_bytes: int = 0
    timeout_ms: int = 0
    on_error: OnError = "quarantine"
    workers: int = 0
    deterministic: bool = True
    network: bool = False
    writes: tuple[str, ...] = ()
    env: str = ""


def read_options(given: Options) -> FunctionOptions:
    """Checks a decorator's keywords.

    Raises:
        BadConfig: an option is out of range or not offered yet (code 1001).
        BadDuration: `timeout` is no duration (code 1004).
    """
    for option in given:
        if option not in Options.__annotations__:
            raise BadConfig(f"a function has no option {option!r}", remedy=f"known: {', '.join(Options.__annotations__)}")
    isolation = given.get("isolation", "process")
    if isolation != "process":
        raise BadConfig(f"isolation = {isolation!r} is not offered: a crash of the function would be the engine's", remedy="leave it out")
    writes = given.get("writes", ())
    if isinstance(writes, str) or not all(isinstance(path, str) and path for path in writes):
        raise BadConfig(f"writes = {writes!r} is not a tuple of paths", remedy="write writes=('out',)")
    on_error, workers = given.get("on_error", "quarantine"), given.get("workers")
    if on_error not in typing.get_args(OnError):
        raise BadConfig(f"on_error = {on_error!r} is not one of 'quarantine', 'null', 'fail'")
    if workers is not None and (type(workers) is not int or not 1 <= workers <= WORKERS_MAX):
        raise BadConfig(f"workers = {workers!r} is not a number from 1 to {WORKERS_MAX}")
    memory, timeout = given.get("memory"), given.get("timeout")
    return FunctionOptions(
        memory_bytes=0 if memory is None else size_bytes(memory),
        timeout_ms=0 if timeout is None else duration_ms(timeout),
        on_error=on_error,
        workers=workers or 0,
        deterministic=bool(given.get("deterministic", True)),
        network=bool(given.get("network", False)),
        writes=tuple(writes),
        env=check_env(given["env"]) if "env" in given else "",
    )


@dataclasses.dataclass(frozen=True)
class Signature:
    """The columns that SQL gives and gets. The result of a table or process function is a STRUCT: its columns."""

    parameters: dict[str, ColumnHint]
    result: ColumnHint
    #: What is kept between calls: an accumulator's attributes, a process function's state.
    state: dict[str, ColumnType] = dataclasses.field(default_factory=dict)
    #: The key's columns of a process function.
    key: tuple[str, ...] = ()


class UserFunction:
    """A function found by the engine.

    Attributes:
        name: as called in SQL.
        kind: "scalar", "vectorized", "aggregate", "accumulator", "table", "process", "source" or "sink".
        body: what was decorated.
        options: memory, timeout and the other keywords of the decorator.
    """

    kind: Kind

    def __init__(self, body: Callable[..., Any], options: FunctionOptions) -> None:
        functools.update_wrapper(cast(Any, self), body, updated=())
        self.body = body
        self.name = body.__name__
        self.options = options

    @property
    def line(self) -> int:
        if inspect.isfunction(self.body):
            return self.body.__code__.co_firstlineno
        return inspect.getsourcelines(self.body)[1]

    @property
    def call_timeout_ms(self) -> int:
        """How long a call of many rows may take; 0 = the default."""
        return self.options.timeout_ms

    @property
    def workers(self) -> int:
        """How many processes run it side by side; 0 = as many as the engine calls at once."""
        return self.options.workers

    @functools.cached_property
    def signature(self) -> Signature:
        """The columns the function takes and gives; read at first use, so that a hint may name what stands below it."""
        return self._read_signature()

    @property
    def module(self) -> str:
        """The module whose function it is."""
        return str(self.body.__module__)

    @property
    def files(self) -> tuple[pathlib.Path, ...]:
        """What the function is made of beside its code, such as a model's file; part of its hash."""
        return ()

    def gauges(self) -> dict[str, float]:
        """What the function measures of itself; shown with its workers."""
        return {}

    def try_out(self) -> None:
        """What is tried once, when the project is read, before the signature.

        Raises:
            BadConfig: it failed (code 1001).
        """

    def model_document(self) -> dict[str, Any] | None:
        """Of a model that the engine runs itself: what it needs to know (src/udf/describe.cc reads it)."""
        return None

    def _read_signature(self) -> Signature:
        raise NotImplementedError


def hints_of(body: Any, name: str) -> dict[str, Any]:
    """The type hints of a function or class.

    Raises:
        BadConfig: a hint names what is not there (code 1001).
    """
    try:
        return typing.get_type_hints(body, include_extras=True)
    except (NameError, TypeError) as failure:
        raise BadConfig(f"a hint of {name} cannot be read: {failure}") from failure


def parameters_of(body: Callable[..., Any], name: str) -> list[str]:
    """The names of a function's parameters, each of which SQL can give.

    Raises:
        BadConfig: one is keyword-only, gathers several, or has a default (code 1001).
    """
    for parameter in inspect.signature(body).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise BadConfig(f"{name}: the parameter {parameter.name!r} cannot be given from SQL", remedy="use positional ones only")
        if parameter.default is not parameter.empty:
            raise BadConfig(f"{name}: the parameter {parameter.name!r} has a default, and SQL gives every argument")
    return list(inspect.signature(body).parameters)


def read_hint(hints: dict[str, Any], key: str, name: str, read: Callable[[Any], ColumnHint] = hint_of) -> ColumnHint:
    """The column that a parameter's hint, or the hint of the result (`key` is "return"), stands for.

    Raises:
        BadConfig: there is no hint, or it stands for no column (code 1001).
    """
    what = "the result" if key == "return" else f"the parameter {key!r}"
    if key not in hints:
        raise BadConfig(f"{name}: {what} has no type hint")
    try:
        return read(hints[key])
    except HeadraceError as failure:
        raise BadConfig(f"{name}: {what}: {failure.message}", remedy=failure.remedy) from None


def value_hint(hints: dict[str, Any], key: str, name: str) -> ColumnHint:
    """As read_hint, of a value: an array is refused."""
    found = read_hint(hints, key, name)
    if found.container != "value":
        what = "the result" if key == "return" else f"the parameter {key!r}"
        raise BadConfig(f"{name}: {what} is an array", remedy="only @hr.function(vectorized=True) takes and gives arrays")
    return found
