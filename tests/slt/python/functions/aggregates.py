"""Aggregates that the golden texts call."""

import headrace as hr


@hr.aggregate
def my_median(xs: list[int]) -> float | None:
    middle = len(xs) // 2
    return xs[middle] if len(xs) % 2 else (xs[middle - 1] + xs[middle]) / 2


@hr.aggregate
def joined(texts: list[str | None]) -> str:
    return ",".join("?" if text is None else text for text in texts)


@hr.aggregate
def max_product(a: list[int], b: list[int]) -> int:
    return max(x * y for x, y in zip(a, b, strict=True))


@hr.aggregate
def none_at_all(xs: list[int]) -> int | None:
    return None


@hr.aggregate
def inverse_of_sum(xs: list[int]) -> float:
    return 1 / sum(xs)


@hr.aggregate
class Weighted:
    """A weighted average."""

    total: float = 0.0
    weight: float = 0.0

    def add(self, value: float, weight: float) -> None:
        self.total += value * weight
        self.weight += weight

    def retract(self, value: float, weight: float) -> None:
        self.add(value, -weight)

    def merge(self, other: "Weighted") -> None:
        self.total += other.total
        self.weight += other.weight

    def result(self) -> float | None:
        return self.total / self.weight if self.weight else None


@hr.aggregate
class LastSeen:
    """The values in order of arrival, and how often each was there."""

    values: list[str] = []  # noqa: RUF012 (every instance gets its own)
    counts: dict[str, int] = {}  # noqa: RUF012

    def add(self, value: str) -> None:
        if value == "bad":
            raise ValueError("a bad value")
        self.values.append(value)
        self.counts[value] = self.counts.get(value, 0) + 1

    def merge(self, other: "LastSeen") -> None:
        self.values += other.values
        for value, count in other.counts.items():
            self.counts[value] = self.counts.get(value, 0) + count

    def result(self) -> str:
        return "".join(f"{value}{self.counts[value]}" for value in self.values)
