"""Aggregates, table functions and process functions as a worker calls them, without an engine."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Iterator
from typing import Any, NamedTuple

import headrace as hr
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from headrace.column_types import ColumnType
from headrace.errors import BadConfig
from headrace.user_function import UserFunction
from headrace.worker.arrow_columns import result_buffers
from headrace.worker.calling import call_types, caller_of
from headrace.worker.values import WrongResult

BIGINT, DOUBLE, VARCHAR, TIMESTAMP = (ColumnType(name) for name in ("BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMP"))


def call(function: UserFunction, *columns: list[Any], rows: dict[str, ColumnType] | None = None) -> list[Any]:
    types, result = call_types(function, rows)
    arrays = [pa.array(column, kind.arrow()) for column, kind in zip(columns, types, strict=True)]
    answer = caller_of(function, rows)(arrays, len(columns[0]))
    answer.validate(full=True)
    assert answer.type == result.arrow() or pa.types.is_struct(answer.type) or pa.types.is_list(answer.type)
    assert result_buffers(answer, result)
    return list(answer.to_pylist())


# ---- Aggregates --------------------------------------------------------------------------------------------------------------------


@hr.aggregate
def spread(xs: list[int]) -> int:
    return max(xs) - min(xs)


@hr.aggregate
def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_functions_over_lists_see_whole_groups() -> None:
    assert call(spread, [[3, 1, 9], [], [5]]) == [8, None, 0]
    assert call(dot, [[1.0, 2.0], [3.0]], [[4.0, 5.0], [6.0]]) == [14.0, 18.0]


@hr.aggregate
class Longest:
    text: str = ""
    seen: dict[str, int] = {}  # noqa: RUF012
    parts: list[float]

    def add(self, text: str, weight: float) -> None:
        self.text = max(self.text, text, key=len)
        self.seen[text] = self.seen.get(text, 0) + 1
        self.parts = [*(self.parts or []), weight]

    def retract(self, text: str, weight: float) -> None:
        self.seen[text] -= 1

    def merge(self, other: Longest) -> None:
        self.text = max(self.text, other.text, key=len)
        self.parts = (self.parts or []) + (other.parts or [])

    def result(self) -> str | None:
        return self.text or None


def test_accumulators_keep_typed_state() -> None:
    state = {"text": "long", "seen": [("long", 2)], "parts": [1.5]}
    other = {"text": "longer", "seen": [], "parts": None}
    first, second, third = call(
        Longest, [[], [state], [state, other]], [["a", "bb"], ["long"], []], [[1.0, 2.0], [3.0], []], [[False, False], [True], []]
    )
    assert first == {"state": {"text": "bb", "seen": [("a", 1), ("bb", 1)], "parts": [1.0, 2.0]}, "value": "bb"}
    assert second == {"state": {"text": "long", "seen": [("long", 1)], "parts": [1.5]}, "value": "long"}
    assert third["state"] == {"text": "longer", "seen": [("long", 2)], "parts": [1.5]}
    assert Longest.retracts and Longest().result() is None


def test_state_that_is_not_declared_is_refused() -> None:
    @hr.aggregate
    class Sloppy:
        n: int = 0

        def add(self, x: int) -> None:
            self.extra = x

        def merge(self, other: Any) -> None: ...

        def result(self) -> int:
            return self.n

    with pytest.raises(WrongResult, match="keeps extra"):
        call(Sloppy, [[]], [[1]], [[False]])


@pytest.mark.parametrize("missing", ["add", "merge", "result"])
def test_accumulators_have_their_methods(missing: str) -> None:
    methods = {name: getattr(Longest.body, name) for name in ("add", "merge", "result") if name != missing}
    with pytest.raises(BadConfig, match=missing):
        _ = hr.aggregate(type("Broken", (), {"__annotations__": {"n": int}, **methods})).signature


def test_aggregates_are_checked() -> None:
    def scalars(xs: int) -> int: ...
    def nothing() -> int: ...

    class Stateless:
        def add(self, x: int) -> None: ...
        def merge(self, other: Any) -> None: ...
        def result(self) -> int: ...

    for body in (scalars, nothing, Stateless):
        with pytest.raises(BadConfig):
            _ = hr.aggregate(body).signature
    with pytest.raises(BadConfig):
        hr.aggregate(3)  # type: ignore[call-overload]
    with pytest.raises(BadConfig):
        hr.aggregate(speed="high")  # type: ignore[call-overload]


# ---- Look-ups ----------------------------------------------------------------------------------------------------------------------


def test_lookups_run_side_by_side_and_keep_their_order() -> None:
    running, most, asked = 0, 0, []

    @hr.function(asynchronous=True, timeout="1 s", concurrency=4)
    async def slow(n: int) -> int:
        nonlocal running, most
        asked.append(n)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (10 - n))
        running -= 1
        if n == 5:
            raise KeyError(n)
        return n * n

    assert call(slow, [3, None, 1, 2, 0, 8]) == [9, None, 1, 4, 0, 64] and most == 4
    asked.clear()
    with pytest.raises(KeyError):
        call_again = caller_of(slow)
        call_again([pa.array([1, 5, 2])], 3)
    assert call_again([pa.array([1])], 1).to_pylist() == [1] and asked == [1, 5, 2]  # What was answered is not asked again.
    with pytest.raises(KeyError):
        call_again([pa.array([5])], 1)
    assert call_again([pa.array([2])], 1).to_pylist() == [4] and asked == [1, 5, 2, 5]  # Nor behind the one that fails alone.


def test_a_lookup_has_its_own_timeout() -> None:
    @hr.function(asynchronous=True, timeout="5 ms")
    async def stuck(n: int) -> int:
        await asyncio.sleep(n)
        return n

    assert call(stuck, [0]) == [0] and stuck.call_timeout_ms > 30_000
    with pytest.raises(TimeoutError, match="longer than"):
        call(stuck, [0, 60])


def test_asynchronous_functions_are_checked() -> None:
    async def body(n: int) -> int: ...
    def plain(n: int) -> int: ...

    for options, decorated in (({}, body), ({"asynchronous": True}, plain)):
        with pytest.raises(BadConfig, match="belong together"):
            hr.function(**options)(decorated)
    for bad in ({"concurrency": 0}, {"asynchronous": True, "vectorized": True}):
        with pytest.raises(BadConfig):
            hr.function(**bad)  # type: ignore[call-overload]


# ---- Table functions ---------------------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    place: int
    text: str | None


@dataclasses.dataclass
class Cut:
    place: int
    text: str | None


def test_table_functions_give_rows_in_every_form() -> None:
    @hr.table
    def words(line: str, times: int | None) -> Iterator[str]:
        yield from line.split() * (times or 1)

    assert call(words, ["a b", None, ""], [2, 1, None]) == [
        [{"words": "a"}, {"words": "b"}, {"words": "a"}, {"words": "b"}],
        [],
        [],
    ]
    expected = [[{"place": 0, "text": "a"}, {"place": 1, "text": None}]]
    for row in (Piece, Cut):
        cuts = _with_hints(lambda line, row=row: [row(0, line), row(1, None)], list[row])  # type: ignore[valid-type]
        assert call(hr.table(cuts), ["a"]) == expected
    schema = hr.Schema(place=int, text=str)
    dicts = _with_hints(lambda line: [{"place": 0, "text": line}, {"text": None, "place": 1}], None)
    assert call(hr.table(output=schema)(dicts), ["a"]) == expected


def _with_hints(body: Any, result: Any) -> Any:
    def made(line: str) -> Any:
        return body(line)

    made.__annotations__ = {"line": str, "return": result}
    return made


def test_table_functions_are_checked() -> None:
    with pytest.raises(BadConfig, match="many rows"):
        _ = hr.table(_with_hints(None, str)).signature
    with pytest.raises(WrongResult, match="has not the columns"):
        call(hr.table(output=hr.Schema(a=int, b=int))(_with_hints(lambda line: [{"a": 1}], None)), ["x"])
    with pytest.raises(WrongResult):
        call(hr.table(_with_hints(lambda line: [1], Iterator[str])), ["x"])


# ---- Process functions -------------------------------------------------------------------------------------------------------------

START = datetime.datetime(2026, 1, 1)
NEVER = 2**63 - 1


def us(seconds: float) -> int:
    return (START - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1) + round(seconds * 1e6)


def at(seconds: float) -> datetime.datetime:
    return START + datetime.timedelta(seconds=seconds)


ROWS = {"ts": TIMESTAMP, "card": VARCHAR, "amount": DOUBLE}


@hr.process(key="card", state=hr.Schema(n=int), output=hr.Schema(what=str, n=int))
class Counter:
    def on_row(self, key: Any, row: Any, state: Any, timers: Any) -> Iterator[Any]:
        state.n = (state.n or 0) + 1
        timers.at(row.ts + datetime.timedelta(seconds=5), "idle")
        yield {"what": key, "n": state.n}

    def on_timer(self, key: Any, at: datetime.datetime, state: Any, timers: Any) -> Any:
        n, state.n = state.n, None
        return [(f"{key} {timers.name}", n)]


@hr.process(key="card", state=hr.Schema(n=int), output=hr.Schema(what=str, n=int))
class Batches:
    def on_rows(self, key: Any, rows: pa.RecordBatch, state: Any, timers: Any) -> Any:
        state.n = (state.n or 0) + rows.num_rows
        timers.at(pc.max(rows["ts"]).as_py() + datetime.timedelta(seconds=5), "idle")
        return [(key, state.n)]

    on_timer = Counter.body.on_timer  # type: ignore[attr-defined]


def key_of(card: str, state: int | None, timers: list[Any], rows: list[tuple[float, float]], watermark: int) -> tuple[Any, ...]:
    """One key's row of a call; rows are (time, watermark before it) in seconds."""
    structs = [{"ts": at(time), "card": card, "amount": 1.0} for time, _ in rows]
    return card, {"n": state}, timers, structs, [us(before) for _, before in rows], watermark


def run(function: UserFunction, *keys: tuple[Any, ...]) -> list[Any]:
    return call(function, *(list(column) for column in zip(*keys, strict=True)), rows=ROWS)


def test_timers_come_between_the_rows() -> None:
    a = key_of("a", None, [], [(0, -9), (2, 0), (9, 8)], us(9))
    b = key_of("b", 4, [{"at": us(1), "name": "idle"}], [], us(3))
    first, second = run(Counter, a, b)
    assert first["output"] == [{"what": "a", "n": 1}, {"what": "a", "n": 2}, {"what": "a idle", "n": 2}, {"what": "a", "n": 1}]
    assert first["timers"] == [{"at": us(14), "name": "idle"}] and first["state"] == {"n": 1}
    assert second == {"state": {"n": None}, "timers": [], "output": [{"what": "b idle", "n": 4}]}


def test_batches_are_cut_where_a_timer_waits() -> None:
    waiting = [{"at": us(5), "name": "idle"}]
    (one,) = run(Batches, key_of("a", None, waiting, [(0, -9), (2, 0), (9, 8), (9, 9)], us(9)))
    assert one["output"] == [{"what": "a", "n": 2}, {"what": "a idle", "n": 2}, {"what": "a", "n": 2}]
    assert one["timers"] == [{"at": us(14), "name": "idle"}]


def test_the_end_of_input_lets_what_waits_come_and_no_more() -> None:
    @hr.process(key="card", state=hr.Schema(n=int), output=hr.Schema(n=int))
    class Forever:
        def on_row(self, key: Any, row: Any, state: Any, timers: Any) -> None:
            timers.at(row.ts)

        def on_timer(self, key: Any, at: datetime.datetime, state: Any, timers: Any) -> Iterator[int]:
            timers.at(at + datetime.timedelta(days=1))
            yield 1

    (one,) = run(Forever, key_of("a", None, [], [(0, -9)], NEVER))
    assert one["output"] == [{"n": 1}] and one["timers"] == [{"at": us(86_400), "name": ""}]


def test_a_timer_cannot_set_itself_back() -> None:
    @hr.process(key="card", state=hr.Schema(n=int), output=hr.Schema(n=int))
    class Stuck:
        def on_row(self, key: Any, row: Any, state: Any, timers: Any) -> None:
            timers.at(row.ts, "a")
            timers.cancel("b")

        def on_timer(self, key: Any, at: datetime.datetime, state: Any, timers: Any) -> None:
            timers.at(at, "b")

    with pytest.raises(ValueError, match="does not lie behind"):
        run(Stuck, key_of("a", None, [], [(0, -9)], us(1)))


def test_keys_of_several_columns_are_tuples() -> None:
    @hr.process(key=("card", "amount"), state=hr.Schema(n=int), output=hr.Schema(text=str))
    class Pairs:
        def on_row(self, key: Any, row: Any, state: Any, timers: Any) -> list[Any]:
            return [(repr(key),)]

    card, *rest = key_of("a", None, [], [(0, 0)], us(0))
    (one,) = call(Pairs, [card], [1.0], *([value] for value in rest), rows=ROWS)
    assert one["output"] == [{"text": "('a', 1.0)"}]


def test_process_functions_are_checked() -> None:
    schema = hr.Schema(n=int)
    for body in (type("Empty", (), {}), type("Both", (), {"on_row": print, "on_rows": print}), print):
        with pytest.raises(BadConfig):
            hr.process(key="a", state=schema, output=schema)(body)  # type: ignore[arg-type]
    with pytest.raises(BadConfig):
        hr.process(key=(), state=schema, output=schema)
    with pytest.raises(BadConfig):
        hr.Schema()
    with pytest.raises(BadConfig, match="'n'"):
        hr.Schema(n=complex)


# ---- Sources and sinks -------------------------------------------------------------------------------------------------------------


def test_a_source_goes_on_where_it_is_asked_to() -> None:
    begun: list[str | None] = []

    @hr.source
    async def numbers(position: str | None) -> Any:
        begun.append(position)
        for n in range(int(position or 0), 5):
            if n == 3:
                await asyncio.sleep(0.15)
            yield [{"n": n, "at": datetime.date(2026, 1, 1)}], str(n + 1)

    step = caller_of(numbers)

    def ask(position: str | None) -> Any:
        return step([pa.array([position], pa.string())], 1).to_pylist()[0]

    first = ask(None)
    assert first["position"] == "3" and not first["ended"] and first["records"].count("\n") == 3
    while not (last := ask("3"))["ended"]:
        assert last["records"] == ""
    assert last["position"] == "5" and last["records"].splitlines()[0] == '{"n":3,"at":"2026-01-01"}'
    assert begun == [None] and ask("4")["records"].count("\n") == 1 and begun == [None, "4"]


def test_a_source_that_fails_begins_anew() -> None:
    tries = 0

    @hr.source
    async def shaky(position: str | None) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ConnectionError("away")
        yield ([], 7) if tries == 2 else ([{"n": 1}], "1")

    step = caller_of(shaky)
    for failure in (ConnectionError, WrongResult):
        with pytest.raises(failure):
            step([pa.array([None], pa.string())], 1)
    assert step([pa.array([None], pa.string())], 1).to_pylist()[0] == {"records": '{"n":1}\n', "position": "1", "ended": True}


def test_a_sink_takes_rows_with_their_commit() -> None:
    taken: list[Any] = []

    @hr.sink
    def plain(rows: Any, commit: str) -> None:
        taken.append((commit, rows))

    @hr.sink
    async def later(rows: Any, commit: str) -> None:
        await asyncio.sleep(0)
        taken.append((commit, rows))

    for function in (plain, later):
        assert call(function, ['{"n":1}\n{"n":2}\n'], ["c1"]) == [True]
    assert taken == [("c1", [{"n": 1}, {"n": 2}])] * 2


def test_sources_and_sinks_are_checked() -> None:
    async def no_generator(position: Any) -> None: ...
    async def too_few() -> Any:
        yield [], ""

    with pytest.raises(BadConfig):
        hr.source(no_generator)  # type: ignore[call-overload]
    with pytest.raises(BadConfig):
        _ = hr.source(too_few).signature  # type: ignore[call-overload]
    with pytest.raises(BadConfig):
        hr.sink(3)  # type: ignore[call-overload]
    with pytest.raises(BadConfig):
        _ = hr.sink(lambda rows: None).signature
