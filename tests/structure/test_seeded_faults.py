"""Every fault of the campaign tests/campaigns/seeded_faults.py can still be put into the engine, and stands in its page."""

from __future__ import annotations

import sys

import tree

sys.path.insert(0, str(tree.ROOT / "tests" / "differential"))

from faults import FAULTS

PAGE = tree.ROOT / "docs" / "reference" / "seeded-faults.md"


def test_faults_can_be_put_in() -> None:
    """The line that a fault replaces stands in its file, once. Where the code has changed, the fault has to change with it."""
    refused = [why for fault in FAULTS if (why := fault.refused(tree.ROOT))]
    assert not refused, "\n".join(refused)


def test_faults_are_small() -> None:
    """A fault changes something, and has a name of its own."""
    assert all(fault.old != fault.new for fault in FAULTS)
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_page_names_every_fault() -> None:
    """The page says what caught each."""
    page = PAGE.read_text()
    missing = [fault.name for fault in FAULTS if f"| {fault.name} |" not in page]
    assert not missing, ", ".join(missing)
