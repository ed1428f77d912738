"""A function is plain Python: test it as such."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "functions"))

from risk import risk


def test_one_payment_at_home_is_no_risk() -> None:
    assert risk(1, 1, 20.0) == 0.0


def test_two_countries_in_ten_minutes_are() -> None:
    assert risk(2, 2, 450.0) >= 0.5


def test_never_more_than_one() -> None:
    assert risk(50, 9, 1e6) == 1.0
