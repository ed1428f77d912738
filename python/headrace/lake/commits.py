"""Commits with an identity: whatever happens to a commit, the table itself says whether it landed.

The marker `headrace.<lineage>.<sink>` stands in the table's properties, where expiring snapshots does not touch it, and in the summary of
the snapshot; it is written in the same swap of the table's metadata as the files. A commit lands only on the head whose marker was read
as its predecessor. So neither a stopped and resumed process, nor an answer that got lost, nor a request that is still on its way can add
the same rows twice, or rows of another time line.
"""

from __future__ import annotations

import json
import logging
import os
import signal
from dataclasses import asdict, dataclass
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.table import Table, Transaction

from headrace.lake.data_files import data_file
from headrace.lake.retention import let_go, surplus, sweep

Json = dict[str, Any]

REBASES_MAX = 20
"""How often a commit is put on a newer head before the engine is told to come back later."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class Marker:
    """What a sink last brought into a table. `content` tells two commits of one epoch apart: it is a hash of the list of files."""

    generation: int
    epoch: int
    content: str

    def text(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Outcome:
    """`result` is "committed", "rejected" (never will) or "unknown" (ask again: the marker is read first)."""

    result: str
    why: str = ""
    remedy: str = ""


def marker_name(lineage: str, sink: str) -> str:
    return f"headrace.{lineage}.{sink}"


def read_marker(table: Table, lineage: str, sink: str) -> Marker | None:
    """Reads the marker from the table as it was loaded."""
    text = table.properties.get(marker_name(lineage, sink))
    return Marker(**json.loads(text)) if text else None


def commit(catalog: Catalog, name: str, lineage: str, sink: str, own: Marker, predecessor: Marker | None, files: list[Json]) -> Outcome:
    """Makes `files` visible as the successor of `predecessor`, once, however often it is called."""
    for _ in range(REBASES_MAX):
        try:
            table = catalog.load_table(name)
            verdict = judge(read_marker(table, lineage, sink), own, predecessor)
        except NoSuchTableError:
            return Outcome("rejected", f"table {name} is not there any more", "start with a new state directory to fill it anew")
        except Exception as error:
            return Outcome("unknown", f"{type(error).__name__}: {error}")
        if verdict is not None:
            return verdict
        try:
            append(table, marker_name(lineage, sink), own, files)
            return Outcome("committed")
        except CommitFailedException as error:
            logger.info("another commit was first, looking again: %s", error)  # The one answer that means "did not land".
        except Exception as error:
            return read_back(catalog, name, lineage, sink, own, error)
    return Outcome("unknown", f"{REBASES_MAX} other commits to {name} were first")


def judge(found: Marker | None, own: Marker, predecessor: Marker | None) -> Outcome | None:
    """Says what the table's marker means for a commit; None = it may land."""
    if found == own:
        return Outcome("committed")
    if found == predecessor:
        return None
    return Outcome(
        "rejected",
        f"the table was last written by generation {found.generation}, epoch {found.epoch} of this pipeline, "
        f"not by what epoch {own.epoch} follows"
        if found
        else "the table has lost what this pipeline had committed to it",
        "another process runs on a copy of this state directory, or the table was put back: keep one of them",
    )


def read_back(catalog: Catalog, name: str, lineage: str, sink: str, own: Marker, error: Exception) -> Outcome:
    """Decides an unknown outcome by the marker. Nothing is deleted and nothing is tried again here."""
    try:
        landed = read_marker(catalog.load_table(name), lineage, sink) == own
    except Exception as second:
        error = second
        landed = False
    return Outcome("committed") if landed else Outcome("unknown", f"{type(error).__name__}: {error}")


def append(table: Table, marker: str, own: Marker, files: list[Json]) -> None:
    """Adds files and marker in one swap that asserts the head of the table as it was loaded."""
    table.metadata.properties["commit.retry.num-retries"] = "0"  # Whatever somebody has set since: only commit() may try again.
    old, oldest = surplus(table)
    transaction = Transaction(table)
    # The snapshot comes first: PyIceberg copies all metadata at each look at it once something else is staged.
    with transaction.update_snapshot(snapshot_properties={marker: own.text()}).merge_append() as snapshot:
        for file in files:
            snapshot.append_data_file(data_file(table, file))
    transaction.set_properties({marker: own.text()})
    let_go(transaction, old)
    crash_point("steward_commit_before")
    transaction.commit_transaction()
    crash_point("steward_commit_after")
    if oldest is not None:
        sweep(table.io, old, oldest)


def crash_point(name: str) -> None:
    """Ends the process here if the crash campaign says so (environment variable HEADRACE_STEWARD_CRASH)."""
    if os.environ.get("HEADRACE_STEWARD_CRASH") == name:
        os.kill(os.getpid(), signal.SIGKILL)
