"""The museum of sink bugs: each public bug that can be asked of this design is a test here (docs/reference/sink-bugs.md)."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from headrace.lake.durable_files import DurableFileIO
from headrace.lake.steward import Steward
from lake_faults import FaultyCatalog
from lake_parts import Json, Writer, ask, marker, rows
from pyiceberg.io import OutputFile
from sqlalchemy import event


@pytest.fixture
def steward(tmp_path: Path) -> Steward:
    return Steward(FaultyCatalog.at(tmp_path / "lake"))


def catalog_of(steward: Steward) -> FaultyCatalog:
    assert isinstance(steward.catalog, FaultyCatalog)
    return steward.catalog


def commit_until_decided(writer: Writer, request: Json) -> Json:
    """What the engine does: an unknown outcome is asked again, with the same request."""
    for _ in range(10):
        outcome = writer.commit(request)
        if outcome["result"] != "unknown":
            return outcome
    raise AssertionError("never decided")


def test_01_commit_succeeded_and_the_checkpoint_failed(steward: Steward) -> None:
    """iceberg#10765. The engine died between the swap and its own note of it: the table is asked, nothing is added."""
    request = Writer(steward).prepare(1, [1, 2])
    assert Writer(steward).commit(request)["result"] == "committed"
    assert Writer(steward).commit(request)["result"] == "committed"
    assert rows(steward) == [1, 2]


def test_02_an_aborted_epoch_is_not_squashed_with_the_next(steward: Steward) -> None:
    """iceberg#11008, #10431. Files of an epoch whose checkpoint failed are in no later commit."""
    writer = Writer(steward)
    writer.prepare(1, [99])
    writer.commit(writer.prepare(2, [1]))
    assert rows(steward) == [1]


def test_03_epochs_committed_together_are_one_commit(steward: Steward) -> None:
    """iceberg#10165. What waits for the commit interval goes in one swap under the last epoch, whole or not at all."""
    writer = Writer(steward)
    first, second = writer.prepare(1, [1]), writer.prepare(2, [2])
    together = {**second, "files": first["files"] + second["files"]}
    writer.commit(together)
    assert rows(steward) == [1, 2]
    table = steward.catalog.load_table("lake.t")
    assert len(table.metadata.snapshots) == 1
    assert writer.commit(first)["result"] == "rejected"


def test_04_a_request_still_in_flight_lands_after_the_check(steward: Steward) -> None:
    """iceberg#14425. The request requires the head that was read, so one of the two lands."""
    writer = Writer(steward)
    writer.commit(writer.prepare(1, [1]))
    request = writer.prepare(2, [2])
    catalog_of(steward).fault = "late"
    assert writer.commit(request)["result"] == "unknown"
    assert writer.commit(request)["result"] == "committed"
    catalog_of(steward).deliver()
    assert rows(steward) == [1, 2]


def test_05_the_marker_survives_expired_snapshots(steward: Steward) -> None:
    """iceberg#5846, #3647. No snapshot remembers the epoch; the table's property does."""
    writer = Writer(steward)
    request = writer.prepare(1, [1])
    writer.commit(request)
    other = Writer(steward, lineage="other")
    other.commit(other.prepare(1, [2]))
    table = steward.catalog.load_table("lake.t")
    table.maintenance.expire_snapshots().by_id(table.metadata.snapshots[0].snapshot_id).commit()
    assert Writer(steward).commit(request)["result"] == "committed"
    assert rows(steward) == [1, 2]


def test_06_epoch_numbers_that_start_again_lose_nothing(steward: Steward) -> None:
    """iceberg#10892, inlong#8366, seatunnel#10574. A new state directory counts from 1 and is a lineage of its own; the old one put
    back to an earlier epoch is refused aloud instead of skipping rows."""
    old = Writer(steward)
    early = old.prepare(1, [1])
    old.commit(early)
    old.commit(old.prepare(2, [2]))
    new = Writer(steward, lineage="l2")
    assert new.commit(new.prepare(1, [3]))["result"] == "committed"
    put_back = {**old.prepare(5, [4]), "predecessor": early["own"]}
    assert ask(steward, **put_back)["result"] == "rejected"
    assert rows(steward) == [1, 2, 3]


def test_07_a_zombie_is_fenced_by_the_table(steward: Steward) -> None:
    """iceberg#17551, PR #17376, #10812. Even a later epoch does not land from somebody who missed a commit."""
    zombie = Writer(steward)
    zombie.commit(zombie.prepare(1, [1]))
    successor = Writer(steward)
    stale = zombie.prepare(7, [70])
    successor.commit(successor.prepare(2, [2]))
    assert zombie.commit(stale)["result"] == "rejected"
    assert rows(steward) == [1, 2]


def test_08_the_same_files_do_not_come_twice(steward: Steward) -> None:
    """iceberg#17340, #16282, #13763. The same request in another process, and after others have committed."""
    writer, again = Writer(steward), Writer(steward)
    request = writer.prepare(1, [1])
    writer.commit(request)
    other = Writer(steward, lineage="other")
    other.commit(other.prepare(1, [2]))
    assert again.commit(request)["result"] == "committed"
    writer.commit(writer.prepare(2, [3]))
    assert again.commit(request)["result"] == "rejected"
    assert rows(steward) == [1, 2, 3]


@pytest.mark.parametrize("fault", ["locked", "lost_request", "late"])
def test_11_no_commit_no_acknowledgement(steward: Steward, fault: str) -> None:
    """iceberg#13752. An exception of the catalog is never taken for success."""
    writer = Writer(steward)
    request = writer.prepare(1, [1])
    catalog_of(steward).fault = fault
    assert writer.commit(request)["result"] == "unknown"
    assert rows(steward) == []
    assert commit_until_decided(writer, request)["result"] == "committed"
    assert rows(steward) == [1]


@pytest.mark.parametrize("fault", ["lost_answer", "unreadable_after", "late", "locked"])
def test_13_nothing_is_deleted_on_an_unknown_outcome(steward: Steward, fault: str) -> None:
    """iceberg#7151, #2328, #9618, ClickHouse#112081, #112102. Every file that was there before stays."""
    writer = Writer(steward)
    writer.commit(writer.prepare(1, [1]))
    request = writer.prepare(2, [2])
    folder = Path(writer.opened["folder"]).parent
    before = {path for path in folder.rglob("*") if path.is_file()}
    catalog_of(steward).fault = fault
    writer.commit(request)
    assert before <= {path for path in folder.rglob("*") if path.is_file()}
    commit_until_decided(writer, request)
    catalog_of(steward).deliver()
    assert rows(steward) == [1, 2]


def test_13_a_lost_answer_is_read_back(steward: Steward) -> None:
    """The swap happened, its answer did not come: the marker says so at once."""
    writer = Writer(steward)
    catalog_of(steward).fault = "lost_answer"
    assert writer.commit(writer.prepare(1, [1]))["result"] == "committed"
    assert rows(steward) == [1]


def test_17_metadata_is_on_disk_before_the_catalog_names_it(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """xtable#176. Every file of metadata, and its name, is synced before the catalog's pointer moves."""
    writer = Writer(steward)
    request = writer.prepare(1, [1])
    events: list[str] = []
    written: list[str] = []
    real_fsync, real_output = os.fsync, DurableFileIO.new_output

    def fsync(descriptor: int) -> None:
        events.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real_fsync(descriptor)

    def new_output(io: DurableFileIO, location: str) -> OutputFile:
        written.append(location.removeprefix("file://"))
        return real_output(io, location)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(DurableFileIO, "new_output", new_output)
    event.listen(catalog_of(steward).engine, "commit", lambda connection: events.append("swap"))
    assert ask(steward, **request)["result"] == "committed"
    assert len(written) == 3  # Manifest, list of manifests, metadata.
    before = events[: events.index("swap")]
    for path in written:
        assert str(Path(path).parent) in before[before.index(path) :]


def test_other_writers_and_compaction_between_commits(steward: Steward) -> None:
    """semantics 35. Another program's commit moves the head: ours is put on it, once."""
    writer, other = Writer(steward), Writer(steward, lineage="other")
    for epoch in range(1, 4):
        other.commit(other.prepare(epoch, [100 + epoch]))
        catalog_of(steward).fault = "refused"
        assert writer.commit(writer.prepare(epoch, [epoch]))["result"] == "committed"
    assert rows(steward) == [1, 2, 3, 101, 102, 103]


def test_a_locked_database_loses_nothing(steward: Steward) -> None:
    """A lock that a crashed or slow program holds on the SQLite file is an unknown outcome, and later a commit."""
    writer = Writer(steward)
    request = writer.prepare(1, [1])
    holder = sqlite3.connect(Path(writer.opened["folder"]).parents[2] / "catalog.db", timeout=0)
    holder.execute("BEGIN IMMEDIATE")
    try:
        assert writer.commit(request)["result"] == "unknown"
    finally:
        holder.rollback()
    assert commit_until_decided(writer, request)["result"] == "committed"
    assert rows(steward) == [1]


def test_the_marker_stands_in_property_and_summary(steward: Steward) -> None:
    writer = Writer(steward)
    writer.commit(writer.prepare(4, [1]))
    table = steward.catalog.load_table("lake.t")
    snapshot = table.current_snapshot()
    assert snapshot is not None and snapshot.summary is not None
    assert snapshot.summary["headrace.l1.s"] == table.properties["headrace.l1.s"]
    found = marker(steward)
    assert found is not None and (found.generation, found.epoch) == (1, 4)


def test_a_dropped_table_is_not_made_anew_by_a_commit(steward: Steward) -> None:
    writer = Writer(steward)
    writer.commit(writer.prepare(1, [1]))
    request = writer.prepare(2, [2])
    steward.catalog.drop_table("lake.t")
    assert writer.commit(request)["result"] == "rejected"
    assert Writer(steward).opened["marker"] is None
    assert ask(steward, **request)["result"] == "rejected"
