"""Scalar functions that the golden texts call."""

import headrace as hr


@hr.function
def inverse(n: int) -> float:
    return 1 / n


@hr.function
def cents(amount: float) -> int:
    return round(amount * 100)
