"""Old snapshots: a commit a second would make the table's metadata, which each commit writes anew, grow without bound.

Once a table has twice as many snapshots as its property `history.expire.min-snapshots-to-keep` says, a commit lets the oldest go. Only
metadata of Iceberg is removed, never a data file, and only where the history is one straight line: whoever makes branches and tags looks
after them.
"""

from __future__ import annotations

import itertools
import logging

from pyiceberg.io import FileIO
from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots

KEPT_PROPERTY = "history.expire.min-snapshots-to-keep"
KEPT_DEFAULT = 50

logger = logging.getLogger(__name__)


def straight_history(table: Table) -> list[Snapshot]:
    """Gives the snapshots from the oldest to the head, or nothing when some are not on that line."""
    snapshots = sorted(table.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)
    linked = all(after.parent_snapshot_id == before.snapshot_id for before, after in itertools.pairwise(snapshots))
    head = table.current_snapshot()
    alone = set(table.metadata.refs) <= {"main"}
    return snapshots if alone and linked and snapshots and head == snapshots[-1] else []


def surplus(table: Table) -> tuple[list[Snapshot], Snapshot | None]:
    """Gives the snapshots that may go, and the oldest one that stays."""
    snapshots = straight_history(table)
    kept = max(1, int(table.properties.get(KEPT_PROPERTY, KEPT_DEFAULT)))
    if len(snapshots) < 2 * kept:
        return [], None
    return snapshots[:-kept], snapshots[-kept]


def let_go(transaction: Transaction, snapshots: list[Snapshot]) -> None:
    """Puts the removal of snapshots into the transaction of a commit."""
    if snapshots:
        ExpireSnapshots(transaction).by_ids([snapshot.snapshot_id for snapshot in snapshots]).commit()


def sweep(io: FileIO, snapshots: list[Snapshot], oldest: Snapshot) -> None:
    """Removes the metadata files of snapshots that a commit has let go. On a straight line a manifest that `oldest` does not name is not
    named by any later snapshot. What cannot be removed is left: it takes room and harms nothing."""
    try:
        kept = {manifest.manifest_path for manifest in oldest.manifests(io)}
        manifests = {manifest.manifest_path for snapshot in snapshots for manifest in snapshot.manifests(io)}
        for path in sorted(manifests - kept) + [snapshot.manifest_list for snapshot in snapshots]:
            io.delete(path)
    except (OSError, ValueError) as error:
        logger.warning("metadata of old snapshots is left behind: %s", error)
