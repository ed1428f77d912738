"""Which room may include which: read from the `headrace_room` lines of the root's CMakeLists.txt, so that there is one table only.

A room may include what it links, directly or through another room. Two things CMake cannot say stand here.
"""

from __future__ import annotations

import re
from functools import cache

import tree

ONLY_HEADERS: dict[tuple[str, str], set[str]] = {
    ("ops", "plan"): {"nodes.h"},
    ("lake", "connect"): {"sink.h", "spec.h"},
    ("serve", "run"): {"pipeline.h"},
}
"""Of these rooms, the first may include the second's named headers and nothing else of it."""

ROOM = re.compile(r"^headrace_room\((\w+)([^)]*)\)", re.MULTILINE)


@cache
def links() -> dict[str, frozenset[str]]:
    """Gives for each room the rooms it links directly."""
    lines = ROOM.findall((tree.ROOT / "CMakeLists.txt").read_text())
    return {name: frozenset(re.findall(r"\bheadrace_(\w+)", parts)) for name, parts in lines}


@cache
def below(room: str) -> frozenset[str]:
    """Gives every room that a room may include."""
    direct = links()[room]
    return direct.union(*(below(other) for other in direct))


def refusal(room: str, included: str) -> str:
    """Says why a file of `room` may not include `included` ("data/batch.h"); "" = it may."""
    other, _, header = included.partition("/")
    if other == room or room == "app":
        return ""
    only = ONLY_HEADERS.get((room, other))
    if only is not None:
        return "" if header in only else f"of src/{other}, src/{room} may include only {', '.join(sorted(only))}"
    return "" if other in below(room) else f"src/{room} may include {', '.join(sorted(below(room))) or 'no other room'}"
