"""Table functions that the golden texts call."""

import random
from collections.abc import Iterator
from typing import NamedTuple

import headrace as hr


@hr.table
def words(line: str) -> Iterator[str]:
    yield from line.split("_")


class Piece(NamedTuple):
    place: int
    text: str | None


@hr.table
def pieces(line: str, size: int | None) -> Iterator[Piece]:
    if size == 0:
        raise ValueError("pieces of nothing")
    for place in range(0, len(line), size or 2):
        text = line[place : place + (size or 2)]
        yield Piece(place, None if text == "--" else text)


@hr.table(deterministic=False)
def rolls(n: int) -> Iterator[float]:
    for _ in range(n):
        yield random.random()
