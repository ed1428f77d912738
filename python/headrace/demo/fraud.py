"""Generates card transactions with known fraud for `examples/fraud`. The same seed and size give the same bytes.

    python -m headrace.demo.fraud --out DIR [--transactions 100000] [--seed 1] [--broken]

writes into DIR

    cards.csv       one row per card: home country, offset of its clocks from UTC, what it usually spends
    tx.ndjson       transactions in the order of arrival: mostly in the order of time, some seconds and a few minutes behind
    labels.ndjson   the fraudulent ones: tx_id, kind, incident

Honest behaviour is made to be mistaken for fraud: people travel, go shopping for an afternoon, buy a sofa, try a card three times at a
machine, order from abroad. Fraud is of four kinds:

    card_testing       a stolen number is tried with small sums at many online shops, then used for a large one
    velocity           a stolen card is emptied in shops, purchase after purchase
    impossible_travel  a copied card pays in a country that its owner, who pays at home, cannot have reached
    account_takeover   someone else is in the owner's account: dear things from online shops, by night

A week is generated; more transactions mean more cards. With `broken` some records are damaged on the way, as they are in life.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

START = datetime(2026, 1, 5)
"""A Monday."""
DAYS = 7
TRANSACTIONS_PER_CARD = 21
"""What a card makes in the week, on average."""
TRANSACTIONS_PER_INCIDENT = 400
BROKEN_SHARE = 1 / 4000


@dataclass(frozen=True)
class City:
    """Where cards live and shops stand."""

    country: str
    utc_offset: int
    latitude: float
    longitude: float
    weight: int


CITIES = (
    City("DE", 1, 52.52, 13.40, 14),
    City("DE", 1, 48.14, 11.58, 8),
    City("FR", 1, 48.86, 2.35, 12),
    City("ES", 1, 40.42, -3.70, 8),
    City("IT", 1, 45.46, 9.19, 8),
    City("GB", 0, 51.51, -0.13, 12),
    City("PL", 1, 52.23, 21.01, 6),
    City("NL", 1, 52.37, 4.90, 5),
    City("SE", 1, 59.33, 18.07, 4),
    City("TR", 3, 41.01, 28.98, 4),
    City("US", -5, 40.71, -74.01, 6),
    City("US", -8, 37.77, -122.42, 3),
    City("BR", -3, -23.55, -46.63, 3),
    City("IN", 5, 19.08, 72.88, 3),
    City("SG", 8, 1.35, 103.82, 2),
    City("AU", 10, -33.87, 151.21, 2),
)

CATEGORIES = {  # name: share of purchases, typical sum as a multiple of the card's usual, share online
    "grocery": (30, 1.0, 0.05),
    "restaurant": (18, 0.8, 0.10),
    "fuel": (9, 1.5, 0.0),
    "transport": (12, 0.3, 0.4),
    "fashion": (9, 2.2, 0.5),
    "electronics": (4, 6.0, 0.6),
    "subscription": (7, 0.3, 1.0),
    "travel": (3, 9.0, 0.8),
    "jewelry": (1, 8.0, 0.2),
    "gift_cards": (1, 1.5, 0.7),
    "furniture": (2, 12.0, 0.4),
    "pharmacy": (4, 0.6, 0.1),
}

HOURS = (1, 1, 1, 1, 1, 2, 6, 14, 20, 22, 24, 28, 34, 30, 24, 24, 28, 36, 40, 36, 26, 16, 8, 3)
"""How busy each hour of the local day is."""


@dataclass(frozen=True)
class Merchant:
    """A shop; one that is online has a seat, but no distance."""

    name: str
    category: str
    city: City
    online: bool


@dataclass
class Card:
    """A card and its owner's habits."""

    name: str
    home: City
    usual: float
    favourites: list[Merchant] = field(default_factory=list)
    trip: tuple[datetime, datetime, City] | None = None

    def place(self, at: datetime) -> City:
        """Says where the owner is."""
        if self.trip and self.trip[0] <= at < self.trip[1]:
            return self.trip[2]
        return self.home


@dataclass(frozen=True)
class Transaction:
    """One authorisation; `incident` is empty for an honest one."""

    card: str
    at: datetime
    amount_cents: int
    merchant: Merchant
    declined: bool
    kind: str = ""
    incident: str = ""


class World:
    """Makes merchants, cards, and what happens to them, from one seed."""

    def __init__(self, seed: int, cards: int) -> None:
        self.random = Random(seed)
        self.shops: dict[tuple[str, str], list[Merchant]] = {}
        self.online: dict[str, list[Merchant]] = {name: [] for name in CATEGORIES}
        self.make_merchants()
        self.cards = [self.make_card(number) for number in range(cards)]

    def make_merchants(self) -> None:
        """Each country has its shops; online shops are everywhere."""
        number = 0
        for city in CITIES:
            for category, (_, _, online_share) in CATEGORIES.items():
                here = self.shops.setdefault((city.country, category), [])
                for _ in range(6):
                    number += 1
                    online = self.random.random() < online_share
                    merchant = Merchant(f"m{number:05d}", category, city, online)
                    (self.online[category] if online else here).append(merchant)

    def make_card(self, number: int) -> Card:
        """Draws a home, a budget, some favourite shops, and for one in twelve a journey."""
        home = self.random.choices(CITIES, [city.weight for city in CITIES])[0]
        card = Card(f"c{number:06d}", home, usual=round(math.exp(self.random.gauss(3.2, 0.5)), 2))
        card.favourites = [self.pick_merchant(home, abroad=0.1) for _ in range(12)]
        if self.random.random() < 1 / 12:
            start = START + timedelta(hours=self.random.uniform(0, DAYS * 24 - 30))
            elsewhere = self.random.choice([city for city in CITIES if city.country != home.country])
            card.trip = (start, start + timedelta(hours=self.random.uniform(24, 120)), elsewhere)
        return card

    def pick_merchant(self, city: City, *, abroad: float, category: str | None = None, online: bool | None = None) -> Merchant:
        """Draws a shop near `city`, or online: there in another country with probability `abroad`."""
        if category is None:
            category = self.random.choices(list(CATEGORIES), [share for share, _, _ in CATEGORIES.values()])[0]
        if online is None:
            online = self.random.random() < CATEGORIES[category][2]
        shops = self.online[category] if online else self.shops[city.country, category]
        if not shops:
            shops = self.online[category] or self.shops[city.country, category]
        if shops is self.online[category] and self.random.random() >= abroad:
            shops = [shop for shop in shops if shop.city.country == city.country] or shops
        return self.random.choice(shops)

    def amount(self, card: Card, category: str, factor: float = 1.0) -> int:
        """Draws a sum in cents for a purchase of this kind."""
        return max(50, round(100 * card.usual * CATEGORIES[category][1] * factor * math.exp(self.random.gauss(0, 0.45))))

    def moment(self, card: Card) -> datetime:
        """Draws a time of the week when the owner is likely awake."""
        hour = self.random.choices(range(24), HOURS)[0]
        local = START + timedelta(days=self.random.randrange(DAYS), hours=hour, seconds=self.random.randrange(3600))
        return self.within_week(local - timedelta(hours=card.home.utc_offset))

    def within_week(self, at: datetime) -> datetime:
        """Turns a time over the edge of the week back into it."""
        return START + (at - START) % timedelta(days=DAYS)

    def honest(self, card: Card, count: int) -> list[Transaction]:
        """Everyday life of one card: about `count` purchases, some of them in one afternoon in town."""
        out: list[Transaction] = []
        for _ in range(count):
            out += self.purchase(card, self.moment(card))
        if self.random.random() < 0.12:  # A shopping trip: as many purchases in an hour or two as a thief would make.
            at = self.moment(card)
            for _ in range(self.random.randint(4, 8)):
                at += timedelta(minutes=self.random.uniform(4, 22))
                category = self.random.choice(["fashion", "grocery", "restaurant", "pharmacy", "electronics", "transport"])
                shop = self.pick_merchant(card.place(at), abroad=0, category=category, online=False)
                out.append(Transaction(card.name, self.within_week(at), self.amount(card, category), shop, self.random.random() < 0.02))
        return out

    def purchase(self, card: Card, at: datetime) -> list[Transaction]:
        """One purchase; now and then the machine refuses the first attempts."""
        travelling = card.place(at) is not card.home
        if travelling or self.random.random() < 0.4:
            shop = self.pick_merchant(card.place(at), abroad=0.25)
        else:
            shop = self.random.choice(card.favourites)
        cents = self.amount(card, shop.category)
        out: list[Transaction] = []
        while len(out) < 3 and self.random.random() < 0.03:
            out.append(Transaction(card.name, at, cents, shop, declined=True))
            at = self.within_week(at + timedelta(seconds=self.random.uniform(15, 90)))
        return [*out, Transaction(card.name, at, cents, shop, declined=False)]

    def card_testing(self, card: Card, at: datetime, incident: str) -> list[Transaction]:
        """Five to twelve small sums within minutes, many refused, then a large one."""
        out: list[Transaction] = []
        for _ in range(self.random.randint(4, 12)):
            category = self.random.choice(["subscription", "gift_cards", "fashion", "transport"])
            shop = self.pick_merchant(card.home, abroad=0.6, category=category, online=True)
            cents = self.random.randint(50, 600)
            out.append(Transaction(card.name, at, cents, shop, self.random.random() < 0.4, "card_testing", incident))
            at += timedelta(seconds=self.random.uniform(10, 150))
        if self.random.random() < 0.7:
            shop = self.pick_merchant(card.home, abroad=0.6, category="electronics", online=True)
            at += timedelta(minutes=self.random.uniform(1, 15))
            out.append(Transaction(card.name, at, self.amount(card, "electronics", 2.0), shop, False, "card_testing", incident))
        return out

    def velocity(self, card: Card, at: datetime, incident: str) -> list[Transaction]:
        """Shop after shop, things that can be sold again, until the card is refused."""
        out: list[Transaction] = []
        for _ in range(self.random.randint(3, 9)):
            category = self.random.choice(["electronics", "jewelry", "gift_cards", "fashion", "fuel"])
            shop = self.pick_merchant(card.home, abroad=0, category=category, online=False)
            declined = len(out) > 3 and self.random.random() < 0.35
            out.append(Transaction(card.name, at, self.amount(card, category, 1.6), shop, declined, "velocity", incident))
            at += timedelta(minutes=self.random.uniform(2, 14))
        return out

    def impossible_travel(self, card: Card, at: datetime, incident: str) -> list[Transaction]:
        """The owner pays at home; the copy pays abroad within the hour."""
        far = self.random.choice([city for city in CITIES if city.country != card.home.country])
        here = self.pick_merchant(card.home, abroad=0, category="grocery", online=False)
        out = [Transaction(card.name, at, self.amount(card, "grocery"), here, False)]
        at += timedelta(minutes=self.random.uniform(3, 40))
        for _ in range(self.random.randint(1, 4)):
            category = self.random.choice(["electronics", "fuel", "jewelry", "fashion", "grocery"])
            shop = self.pick_merchant(far, abroad=0, category=category, online=False)
            out.append(
                Transaction(
                    card.name, at, self.amount(card, category, 1.3), shop, self.random.random() < 0.15, "impossible_travel", incident
                )
            )
            at += timedelta(minutes=self.random.uniform(3, 25))
        return out

    def account_takeover(self, card: Card, at: datetime, incident: str) -> list[Transaction]:
        """Dear things from online shops, between one and five in the owner's night."""
        local_midnight = at.replace(hour=0, minute=0, second=0) - timedelta(hours=card.home.utc_offset)
        at = local_midnight + timedelta(hours=self.random.uniform(1, 4.5))
        out: list[Transaction] = []
        for _ in range(self.random.randint(2, 6)):
            category = self.random.choice(["electronics", "travel", "gift_cards", "jewelry", "fashion"])
            shop = self.pick_merchant(card.home, abroad=0.5, category=category, online=True)
            out.append(
                Transaction(card.name, at, self.amount(card, category, 1.4), shop, self.random.random() < 0.1, "account_takeover", incident)
            )
            at += timedelta(minutes=self.random.uniform(3, 30))
        return out

    def fraud(self, number: int) -> list[Transaction]:
        """One incident on one card, somewhere in the week."""
        make = self.random.choice([self.card_testing, self.velocity, self.impossible_travel, self.account_takeover])
        at = START + timedelta(hours=self.random.uniform(24, DAYS * 24 - 24))
        return make(self.random.choice(self.cards), at, f"i{number:05d}")


def arrival_delay_s(random: Random) -> float:
    """Draws how long a record is on its way: usually a moment, for one in five hundred minutes."""
    return random.uniform(60, 240) if random.random() < 1 / 500 else random.expovariate(1 / 3)


def record(number: int, transaction: Transaction) -> dict[str, object]:
    """Gives the JSON object of one transaction."""
    merchant = transaction.merchant
    return {
        "tx_id": f"t{number:08d}",
        "card": transaction.card,
        "ts": transaction.at.strftime("%Y-%m-%d %H:%M:%S"),
        "amount": transaction.amount_cents / 100,
        "merchant": merchant.name,
        "category": merchant.category,
        "country": merchant.city.country,
        "lat": merchant.city.latitude,
        "lon": merchant.city.longitude,
        "channel": "online" if merchant.online else "pos",
        "declined": transaction.declined,
    }


def damaged(random: Random, number: int, sound: dict[str, object]) -> str:
    """Gives a copy of a record as a bad line, a wrong type, a missing card or a negative sum would leave it.

    Its time is that of the record before it, so that it moves no watermark whether or not it is let in.
    """
    copy = {**sound, "tx_id": f"x{number:08d}"}
    match random.randrange(4):
        case 0:
            return json.dumps(copy)[: random.randint(5, 60)]
        case 1:
            return json.dumps({**copy, "amount": "a lot"})
        case 2:
            return json.dumps({**copy, "card": None})
        case _:
            return json.dumps({**copy, "amount": -float(str(sound["amount"]))})


def generate(out: Path, *, transactions: int = 100_000, seed: int = 1, broken: bool = False) -> None:
    """Writes cards.csv, tx.ndjson and labels.ndjson into the folder `out`.

    Args:
        out: the folder; made when missing.
        transactions: about how many; at least 1,000.
        seed: another seed is another world.
        broken: damages one record in 4,000 on the way; the sound one comes, too.
    """
    world = World(seed, cards=transactions // TRANSACTIONS_PER_CARD)
    happened: list[Transaction] = []
    for card in world.cards:
        happened += world.honest(card, count=max(1, round(world.random.gauss(TRANSACTIONS_PER_CARD - 1.5, 6))))
    for number in range(transactions // TRANSACTIONS_PER_INCIDENT):
        happened += world.fraud(number)
    # tx_id follows time, so that it says nothing of fraud; the file follows arrival.
    happened.sort(key=lambda transaction: (transaction.at, transaction.card, transaction.amount_cents))
    arrived = sorted(enumerate(happened), key=lambda item: (item[1].at + timedelta(seconds=arrival_delay_s(world.random)), item[0]))

    out.mkdir(parents=True, exist_ok=True)
    with (out / "cards.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("card", "home_country", "utc_offset", "usual_amount"))
        writer.writerows((card.name, card.home.country, card.home.utc_offset, f"{card.usual:.2f}") for card in world.cards)
    with (out / "tx.ndjson").open("w", encoding="utf-8") as file:
        for number, transaction in arrived:
            sound = record(number, transaction)
            file.write(json.dumps(sound) + "\n")
            if broken and world.random.random() < BROKEN_SHARE:
                file.write(damaged(world.random, number, sound) + "\n")
    with (out / "labels.ndjson").open("w", encoding="utf-8") as file:
        for number, transaction in enumerate(happened):
            if transaction.kind:
                file.write(json.dumps({"tx_id": f"t{number:08d}", "kind": transaction.kind, "incident": transaction.incident}) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m headrace.demo.fraud", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to fill")
    parser.add_argument("--transactions", type=int, default=100_000, help="about how many (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another world (default: 1)")
    parser.add_argument("--broken", action="store_true", help="damage one record in 4,000")
    given = parser.parse_args(arguments)
    if given.transactions < 1000:
        parser.error("--transactions must be 1000 or more")
    generate(given.out, transactions=given.transactions, seed=given.seed, broken=given.broken)
    return 0


if __name__ == "__main__":
    sys.exit(main())
