"""Nested values between arrays and Python: taken column by column, they are what pyarrow makes of them one by one."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pyarrow as pa
import pytest
from headrace.column_types import ColumnType, list_of, struct_of
from headrace.worker.values import WrongResult, values_reader, values_writer

BIGINT, DOUBLE, VARCHAR, TIMESTAMP = (ColumnType(name) for name in ("BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMP"))
NOON = datetime.datetime(1969, 6, 1, 12)
FIELDS = (("place", VARCHAR), ("at", TIMESTAMP), ("lons", list_of(DOUBLE)))


@dataclasses.dataclass
class Stop:
    place: str
    at: datetime.datetime
    lons: list[float] | None

    def __post_init__(self) -> None:
        if self.place is None:
            raise ValueError("a stop has a place")


@dataclasses.dataclass(kw_only=True)
class NamedStop(Stop):
    """One that takes its fields by name only."""


@dataclasses.dataclass
class TurnedStop:
    """One with its fields in another order."""

    lons: list[float] | None
    place: str
    at: datetime.datetime


CASES: list[tuple[ColumnType, list[Any]]] = [
    (list_of(BIGINT), [[1, 2], [], None, [3, None]]),
    (list_of(list_of(VARCHAR)), [[["a"], None, []], None, [["b", None], ["c"]]]),
    (struct_of({"n": BIGINT, "at": TIMESTAMP}), [{"n": 1, "at": NOON}, None, {"n": None, "at": None}]),
    (list_of(struct_of({"n": BIGINT})), [[{"n": 1}, None], None, [], [{"n": 2}]]),
    (ColumnType("MAP", inner=(("key", VARCHAR), ("value", list_of(BIGINT)))), [{"a": [1], "b": None}, None, {}, {"a": []}]),
    *(
        (list_of(ColumnType("STRUCT", inner=FIELDS, record=record)), [[record(place="x", at=NOON, lons=[1.5]), None], None, [],
                                                                      [record(place="y", at=NOON, lons=None)]])
        for record in (Stop, NamedStop, TurnedStop)
    ),
]  # fmt: skip


def plain(value: Any) -> Any:
    """As pyarrow takes it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return list(value.items()) if isinstance(value, dict) and value.keys() <= {"a", "b"} else value


@pytest.mark.parametrize(("column", "values"), CASES)
def test_nested_values_come_back(column: ColumnType, values: list[Any]) -> None:
    written = values_writer(column)(values)
    written.validate(full=True)
    assert written.equals(pa.array(plain(values), column.arrow()))
    read = values_reader(column)
    assert read(written) == values
    assert read(written.slice(1)) == values[1:]
    assert read(written.slice(0, 0)) == []


def test_what_stands_below_a_null_is_not_looked_at() -> None:
    times = pa.array([0, 2**62], pa.int64()).view(pa.timestamp("us"))  # No datetime is so late.
    array = pa.StructArray.from_arrays([pa.array(["x", None]), times], ["place", "at"], mask=pa.array([False, True]))
    column = ColumnType("STRUCT", inner=(("place", VARCHAR), ("at", TIMESTAMP)))
    assert values_reader(column)(array) == [{"place": "x", "at": datetime.datetime(1970, 1, 1)}, None]


@pytest.mark.parametrize(
    ("column", "values", "wrong"),
    [
        (list_of(BIGINT), [[1], ["x"]], "['x']"),
        (list_of(VARCHAR), [["a"], "text"], "'text'"),
        (struct_of({"n": BIGINT}), [{"n": 1}, {"m": 2}], "{'m': 2}"),
    ],
)
def test_the_value_that_does_not_fit_is_named(column: ColumnType, values: list[Any], wrong: str) -> None:
    with pytest.raises(WrongResult, match="and its hint says") as raised:
        values_writer(column)(values)
    assert f"gave {wrong}, " in str(raised.value)
