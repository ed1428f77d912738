"""What a card did in the hour before each of its payments."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator
from typing import Any

import headrace as hr

HOUR = datetime.timedelta(hours=1)
RESALE = frozenset(("electronics", "jewelry", "gift_cards"))  # Can be sold again.
FEATURES = ("payments", "declined", "online", "small_online", "abroad", "by_night", "resale", "merchants", "countries", "spread",
            "total_ratio", "largest_ratio", "ratio", "is_online", "speed")  # fmt: skip


@dataclasses.dataclass
class Payment:
    """What is remembered of one."""

    ts: datetime.datetime
    ratio: float
    merchant: str
    country: str
    lon: float
    online: bool
    small_online: bool
    declined: bool
    abroad: bool
    by_night: bool
    resale: bool


@hr.process(
    key="card",
    state=hr.Schema(hour=list[Payment]),
    output=hr.Schema(tx_id=str, card=str, ts=datetime.datetime, amount=float, **dict.fromkeys(FEATURES, float)),
)
class CardHour:
    """The features of each payment; a card is forgotten an hour after its last."""

    def on_row(self, key: str, row: Any, state: Any, timers: Any) -> Iterator[tuple[Any, ...]]:
        this = Payment(
            row.ts, row.ratio, row.merchant, row.country, row.lon, row.online, row.online and row.amount < 6, row.declined,
            not row.online and row.foreign_country, 1 <= row.local_hour <= 5, row.category in RESALE,
        )  # fmt: skip
        hour = [payment for payment in state.hour or [] if payment.ts > row.ts - HOUR] + [this]
        state.hour = hour
        timers.at(max(payment.ts for payment in hour) + HOUR, "forget")
        places = [payment for payment in hour if not payment.online]
        lons = [payment.lon for payment in places]
        spread = max(lons) - min(lons) if lons else 0.0
        minutes = (this.ts - min(payment.ts for payment in hour)) / datetime.timedelta(minutes=1)
        ratios = [payment.ratio for payment in hour]
        numbers = (
            len(hour), sum(payment.declined for payment in hour), sum(payment.online for payment in hour),
            sum(payment.small_online for payment in hour), sum(payment.abroad for payment in hour),
            sum(payment.by_night for payment in hour), sum(payment.resale for payment in hour),
            len({payment.merchant for payment in hour}), len({payment.country for payment in places}), spread, sum(ratios), max(ratios),
            row.ratio, row.online, spread / max(minutes, 1.0),
        )  # fmt: skip
        yield (row.tx_id, key, row.ts, row.amount, *map(float, numbers))

    def on_timer(self, key: str, at: datetime.datetime, state: Any, timers: Any) -> None:
        state.hour = None
