"""A worker's view of its own memory: how much is resident, and which types of objects have grown when it keeps growing."""

from __future__ import annotations

import collections
import gc
import sys
import time
from collections.abc import Callable
from typing import Any

LOOK_EVERY_NS = 100_000_000
SAMPLE_EVERY_NS = 5_000_000_000
SAMPLE_GROWTH_BYTES = 8 << 20  # Counting objects takes a while: only where there is something to find.
OBJECTS_MAX = 2_000_000
TYPES_TOLD = 5


class MemoryWatch:
    """Looks now and then, between calls.

    Attributes:
        resident_bytes: as measured last.
        looks: how often it has measured.
        growing: the types that grew most, as last counted: {"type", "bytes", "objects"}.
    """

    def __init__(self, resident: Callable[[], int]) -> None:
        self._resident = resident
        self.resident_bytes = resident()
        self.looks = 0
        self.growing: list[dict[str, Any]] = []
        self._looked_ns = self._sampled_ns = time.monotonic_ns()
        self._sampled_bytes = self.resident_bytes
        self._first: dict[str, tuple[int, int]] | None = None

    def look(self, now_ns: int) -> bool:
        """Measures, if it is time to; tells whether it did."""
        if now_ns - self._looked_ns <= LOOK_EVERY_NS:
            return False
        self._looked_ns = now_ns
        self.resident_bytes = self._resident()
        self.looks += 1
        if now_ns - self._sampled_ns >= SAMPLE_EVERY_NS and self.resident_bytes - self._sampled_bytes >= SAMPLE_GROWTH_BYTES:
            self._sampled_ns, self._sampled_bytes = now_ns, self.resident_bytes
            self._sample()
        return True

    def _sample(self) -> None:
        now = bytes_by_type()
        if self._first is None:
            self._first = now
            return
        first = self._first
        growth = {name: (size - first.get(name, (0, 0))[0], count - first.get(name, (0, 0))[1]) for name, (size, count) in now.items()}
        most = sorted(growth.items(), key=lambda entry: -entry[1][0])[:TYPES_TOLD]
        self.growing = [{"type": name, "bytes": size, "objects": count} for name, (size, count) in most if size > 0]


def bytes_by_type() -> dict[str, tuple[int, int]]:
    """Bytes and number of the live objects of each type. Objects that the collector does not track (texts, bytes, numbers) are counted
    where a tracked one holds them; one that several hold counts once.

    >>> bytes_by_type()["dict"][1] > 0
    True
    """
    sizes: collections.Counter[str] = collections.Counter()
    counts: collections.Counter[str] = collections.Counter()
    seen: set[int] = set()
    for holder in gc.get_objects()[:OBJECTS_MAX]:
        for each in (holder, *gc.get_referents(holder)):
            if id(each) in seen or (each is not holder and gc.is_tracked(each)):
                continue
            seen.add(id(each))
            kind = type(each)
            name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
            try:
                sizes[name] += sys.getsizeof(each)
            except Exception:  # Of a user's __sizeof__.
                continue
            counts[name] += 1
    return {name: (size, counts[name]) for name, size in sizes.items()}
