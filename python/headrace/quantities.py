"""Texts such as "2 s" and "256 MB" as numbers."""

from __future__ import annotations

import datetime
import re

from headrace.errors import BadConfig, BadDuration

_MILLISECONDS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def duration_ms(value: str | datetime.timedelta) -> int:
    """Gives a duration in whole milliseconds.

    Args:
        value: a timedelta, or a text of a number and one of ms, s, min, h, d.

    Raises:
        BadDuration: not of that form, or less than one millisecond (code 1004).

    >>> duration_ms("1.5 s")
    1500
    """
    if isinstance(value, datetime.timedelta):
        milliseconds: float | None = value / datetime.timedelta(milliseconds=1)
    else:
        milliseconds = _parse(value, _MILLISECONDS)
    if milliseconds is None or milliseconds < 1:
        raise BadDuration(f"{value!r} is not a duration", remedy="write a number and one of ms, s, min, h, d: '10 s'")
    return round(milliseconds)


def size_bytes(value: str | int) -> int:
    """Gives a size of memory in bytes.

    Args:
        value: bytes, or a text of a number and one of B, kB, MB, GB, KiB, MiB, GiB.

    Raises:
        BadConfig: not of that form, or not positive (code 1001).

    >>> size_bytes("256 MiB")
    268435456
    """
    if isinstance(value, int) and not isinstance(value, bool):
        size: float | None = value
    else:
        size = _parse(value, _BYTES)
    if size is None or size < 1:
        raise BadConfig(f"{value!r} is not a size of memory", remedy="write a number and one of kB, MB, GB, KiB, MiB, GiB")
    return round(size)


def _parse(text: object, units: dict[str, int]) -> float | None:
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        return None
    return float(match[1]) * units[match[2]]
