"""Measures model and rules against the labels.

    python -m headrace.demo.fraud --out data
    FRAUD_DATA=data FRAUD_OUT=out headrace run examples/fraud --until-end --state state
    FRAUD_DATA=data FRAUD_OUT=out python examples/fraud/evaluate.py --data data --state state

What is judged is a card in one window of an hour. It is *fraud* when the labels say that at least one payment of the card in that hour was;
it is *flagged* when it stands in the view. Precision is the share of flagged ones that are fraud, recall the share of fraud that is
flagged. An incident is *caught* when any of its windows is flagged: what matters to the card's owner.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

SLIDE, SIZE = timedelta(minutes=15), timedelta(hours=1)
Window = tuple[str, datetime]
"""A card and the end of a window."""


@dataclass(frozen=True)
class Measure:
    """How good a set of flagged windows is."""

    flagged: int
    precision: float
    recall: float
    caught: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.precision + self.recall else 0.0


def window_ends(at: datetime) -> list[datetime]:
    """Gives the ends of the four windows that a time lies in.

    >>> [end.strftime("%H:%M") for end in window_ends(datetime(2026, 1, 5, 10, 20))]
    ['10:30', '10:45', '11:00', '11:15']
    """
    start = datetime(1970, 1, 1) + (at - datetime(1970, 1, 1)) // SLIDE * SLIDE
    return [start + SLIDE * step for step in range(1, SIZE // SLIDE + 1)]


def truth(data: Path) -> dict[str, set[Window]]:
    """Gives the fraudulent windows of each incident."""
    incidents = {label["tx_id"]: label["incident"] for label in map(json.loads, (data / "labels.ndjson").open())}
    out: dict[str, set[Window]] = {}
    for line in (data / "tx.ndjson").open():
        incident = incidents.get(line[11:20])  # The id stands first; most lines need no parsing.
        if incident is not None and line.rstrip().endswith("}"):
            tx = json.loads(line)
            windows = ((tx["card"], end) for end in window_ends(datetime.fromisoformat(tx["ts"])))
            out.setdefault(incident, set()).update(windows)
    return out


def measure(flagged: set[Window], incidents: dict[str, set[Window]]) -> Measure:
    """Compares flagged windows with the truth."""
    fraud = set().union(*incidents.values())
    hits = len(flagged & fraud)
    caught = sum(1 for windows in incidents.values() if windows & flagged)
    return Measure(len(flagged), hits / max(len(flagged), 1), hits / max(len(fraud), 1), caught / max(len(incidents), 1))


def windows(rows: Iterable[tuple[object, ...]]) -> set[Window]:
    """Turns rows (card, window_end as text) into windows."""
    return {(str(card), datetime.fromisoformat(str(end))) for card, end in rows}


def table(measures: dict[str, Measure]) -> str:
    """Prints measures side by side.

    >>> print(table({"model": Measure(10, 0.5, 0.25, 1.0)}))
               flagged  precision  recall     F1  incidents caught
    model           10      0.500   0.250  0.333             1.000
    """
    lines = [f"{'':<10} {'flagged':>7}  {'precision':>9}  {'recall':>6}  {'F1':>5}  {'incidents caught':>16}"]
    for name, found in measures.items():
        lines.append(
            f"{name:<10} {found.flagged:>7}  {found.precision:>9.3f}  {found.recall:>6.3f}  {found.f1:>5.3f}  {found.caught:>16.3f}"
        )
    return "\n".join(lines)


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Measures model and rules of examples/fraud against the labels.")
    parser.add_argument("--data", type=Path, required=True, help="the folder that headrace.demo.fraud filled")
    parser.add_argument("--state", type=Path, required=True, help="the state directory of a run that has ended")
    given = parser.parse_args()
    incidents = truth(given.data)
    measures = {}
    for name, view in (("rules", "rule_hits"), ("model", "risky")):
        command = [
            "headrace",
            "query",
            str(Path(__file__).parent),
            "--state",
            str(given.state),
            "--format",
            "json",
            f"SELECT card, window_end FROM {view}",
        ]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        measures[name] = measure(windows(json.loads(answer.stdout)["rows"]), incidents)
    print(table(measures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
