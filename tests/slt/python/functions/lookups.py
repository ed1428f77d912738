"""Asynchronous look-ups that the golden texts call."""

import asyncio

import headrace as hr


@hr.function(asynchronous=True, concurrency=3, timeout="10 s")
async def looked_up(n: int) -> str | None:
    await asyncio.sleep(0.001 * (5 - n % 5))
    if n == 13:
        raise LookupError("nobody knows 13")
    return None if n == 0 else f"no. {n}"
