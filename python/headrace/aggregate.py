"""`@hr.aggregate`: a group's values in, one value out; all at once, or one after another into an accumulator."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, Unpack, overload

from headrace.column_types import ColumnHint, hint_of, type_of
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


class Aggregate(UserFunction):
    """An aggregate function. Calling it in Python calls the body, or makes an accumulator.

    Attributes:
        name: as called in SQL.
        retracts: an accumulator that can take a value back.
    """

    def __init__(self, body: Callable[..., Any], options: FunctionOptions) -> None:
        super().__init__(body, options)
        self.kind = "accumulator" if inspect.isclass(body) else "aggregate"
        self.retracts = self.kind == "accumulator" and callable(getattr(body, "retract", None))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.body(*args, **kwargs)

    def _read_signature(self) -> Signature:
        return self._accumulator() if self.kind == "accumulator" else self._lists()

    def _lists(self) -> Signature:
        hints = hints_of(self.body, self.name)
        names = parameters_of(self.body, self.name)
        if not names:
            raise BadConfig(f"{self.name}: an aggregate takes at least one list of values")
        parameters = {name: read_hint(hints, name, self.name, _items_of) for name in names}
        return Signature(parameters, value_hint(hints, "return", self.name))

    def _accumulator(self) -> Signature:
        for method in ("add", "merge", "result"):
            if not callable(getattr(self.body, method, None)):
                raise BadConfig(f"{self.name} has no method {method}", remedy="an accumulator has add, merge and result")
        accumulator: Any = self.body
        hints = hints_of(accumulator.add, f"{self.name}.add")
        names = parameters_of(accumulator.add, f"{self.name}.add")[1:]
        if not names:
            raise BadConfig(f"{self.name}.add takes no value")
        parameters = {name: value_hint(hints, name, f"{self.name}.add") for name in names}
        result = value_hint(hints_of(accumulator.result, f"{self.name}.result"), "return", f"{self.name}.result")
        state = {}
        for name, hint in hints_of(accumulator, self.name).items():
            if typing.get_origin(hint) is not typing.ClassVar:
                state[name] = read_hint({name: hint}, name, self.name).type
        if not state:
            raise BadConfig(
                f"{self.name} declares no state",
                remedy="write its attributes into the class with their types, such as `total: float = 0.0`",
            )
        return Signature(parameters, result, state)


def _items_of(hint: Any) -> ColumnHint:
    """Of `list[int]`: BIGINT; nullable = NULLs are handed over, too."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is not list or len(arguments) != 1:
        raise BadConfig("an aggregate takes lists of values", remedy="write list[int], list[float | None] ...")
    return ColumnHint(type_of(hint).inner[0][1], hint_of(arguments[0]).nullable)


@overload
def aggregate(body: Callable[..., Any], /) -> Aggregate: ...
@overload
def aggregate(**options: Unpack[Options]) -> Callable[[Callable[..., Any]], Aggregate]: ...
def aggregate(
    body: Callable[..., Any] | None = None, /, **options: Unpack[Options]
) -> Aggregate | Callable[[Callable[..., Any]], Aggregate]:
    """Makes an aggregate function for SQL out of a function over lists, or of an accumulator class.

    A function gets one list per argument with the group's values in ascending order (NULLs last), whatever order they came in, and
    is called anew when the group has changed. Rows with a NULL are left out unless the hint says `list[T | None]`; a group without
    values gives NULL without a call.

    A class is incremental: one instance per group, whose attributes are the state. They are written into the class with their types
    (any column type: numbers, texts, lists, maps, dataclasses ...), and are saved as such columns in checkpoints. `add(*values)` sees
    each row once, in order of arrival; `merge(other)` takes in another instance (pieces of a window); `result()` gives the value; with
    `retract(*values)` it may also stand over an input that takes rows back.

    Args:
        options: memory, timeout, on_error, workers ...: see `headrace.user_function.Options`.

    Raises:
        BadConfig: an option is out of range or not offered yet (code 1001).

    >>> @aggregate
    ... def my_median(xs: list[float]) -> float:
    ...     return xs[len(xs) // 2]
    >>> my_median([1.0, 2.0, 7.0]), my_median.kind
    (2.0, 'aggregate')

    >>> @aggregate
    ... class WeightedAverage:
    ...     total: float = 0.0
    ...     weight: float = 0.0
    ...
    ...     def add(self, value: float, weight: float) -> None:
    ...         self.total += value * weight
    ...         self.weight += weight
    ...
    ...     def retract(self, value: float, weight: float) -> None:
    ...         self.add(value, -weight)
    ...
    ...     def merge(self, other: "WeightedAverage") -> None:
    ...         self.total += other.total
    ...         self.weight += other.weight
    ...
    ...     def result(self) -> float | None:
    ...         return self.total / self.weight if self.weight else None
    >>> {name: str(kind) for name, kind in WeightedAverage.signature.state.items()}, WeightedAverage.retracts
    ({'total': 'DOUBLE', 'weight': 'DOUBLE'}, True)
    """
    read = read_options(options)

    def decorate(body: Callable[..., Any]) -> Aggregate:
        plain = inspect.isfunction(body) and not inspect.iscoroutinefunction(body) and not inspect.isgeneratorfunction(body)
        if not plain and not inspect.isclass(body):
            raise BadConfig(f"hr.aggregate decorates a plain function or a class, not {body!r}")
        return Aggregate(body, read)

    return decorate if body is None else decorate(body)
