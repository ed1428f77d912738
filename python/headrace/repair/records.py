"""The quarantine of a running engine, over HTTP."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

from headrace.door import Door
from headrace.errors import NotFound

PAGE = 1000


@dataclasses.dataclass(frozen=True)
class Record:
    """One refused record.

    Attributes:
        source: the source or node that refused it.
        origin: file and line, door and position, or the kind of node.
        content: the record as it came, or the row as JSON.
        code, name, reason: the error; of a Python function with its traceback.
        detail: of a Python function "function", "file", "hash", "rows" (columns of a process function's table) and "arguments", else None.
        time_us, replayed_us: when it was refused, and when it was put back (0 = not yet), in microseconds since 1970.
    """

    id: int
    source: str
    origin: str
    content: str
    code: int
    name: str
    reason: str
    time_us: int
    late: bool
    detail: dict[str, Any] | None
    replayed_us: int

    @property
    def function(self) -> str:
        return "" if self.detail is None else str(self.detail["function"])


@dataclasses.dataclass(frozen=True)
class Replayed:
    """What a replay has done.

    Attributes:
        rows: records put back; durable.
        skipped: (id, reason) of those that were not.
    """

    rows: int
    skipped: list[tuple[int, str]]


def records(door: Door, *, after: int = 0) -> Iterator[Record]:
    """Gives the records after the id `after`, oldest first. Errors as `Door.request`."""
    while True:
        page = door.request("GET", f"/v1/quarantine?after={after}&limit={PAGE}").json()
        for row in page["rows"]:
            yield Record(row["id"], row["source"], row["origin"], row["bytes"], row["code"], row["name"], row["reason"], row["time_us"],
                         row["late"], row["detail"], row["replayed_us"])  # fmt: skip
        if page["next"] is None:
            return
        after = page["next"]


def record(door: Door, number: int) -> Record:
    """Gives one record.

    Raises:
        NotFound: there is none with this id (code 6001).
    """
    found = next(records(door, after=number - 1), None)
    if found is None or found.id != number:
        raise NotFound(f"the quarantine has no record {number}", remedy="`headrace quarantine ls` lists what there is")
    return found


def replay(door: Door, *, ids: Sequence[int] = (), function: str = "", source: str = "") -> Replayed:
    """Puts records back into the pipeline, each once, in the order in which they were refused. Without any wish: all of them.
    Errors as `Door.request`."""
    wish: dict[str, Any] = {}
    if ids:
        wish["ids"] = list(ids)
    if function:
        wish["function"] = function
    if source:
        wish["source"] = source
    answer = door.request("POST", "/v1/quarantine/replay", json.dumps(wish).encode(), {"Content-Type": "application/json"}).json()
    return Replayed(answer["rows"], [(row["id"], row["reason"]) for row in answer["skipped"]])
