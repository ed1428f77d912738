"""Functions that SQL finds by name. Each runs in its own supervised process."""

import headrace as hr


@hr.function
def risk(payments: int, countries: int, total: float) -> float:
    """Scores ten minutes of a card, 0 to 1: many payments, many countries, much money.

    >>> risk(1, 1, 20.0)
    0.0
    """
    score = 0.15 * (payments - 1) + 0.5 * (countries - 1) + 0.1 * (total // 1000)
    return min(1.0, round(score, 2))
