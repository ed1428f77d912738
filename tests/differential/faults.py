"""Small faults to be put into the engine by hand, each of which the tests must catch: one line, as it stands and as it would be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """One line of the engine and a wrong one for it."""

    name: str
    what: str
    file: str
    old: str
    new: str

    def refused(self, root: Path) -> str:
        """Says why the fault cannot be put into this clone; "" = it can."""
        times = (root / self.file).read_text().count(self.old) if (root / self.file).exists() else 0
        return "" if times == 1 else f"{self.name}: the line stands {times} times in {self.file}: {self.old}"

    def put_into(self, root: Path) -> None:
        """Makes the replacement.

        Raises:
            LookupError: the old line is not there, or more than once.
        """
        if why := self.refused(root):
            raise LookupError(why)
        file = root / self.file
        file.write_text(file.read_text().replace(self.old, self.new))


FAULTS = (
    Fault(
        "late-row-counted",
        "a row whose last window has just closed still counts",
        "src/ops/window_math.h",
        "return last_end(time) - 1 <= watermark;",
        "return last_end(time) - 1 < watermark;",
    ),
    Fault(
        "first-window-off-by-one",
        "a row at a window's start also counts in the window that ends there",
        "src/ops/window_math.h",
        "return floor_to(step_ms, time - size_ms) + step_ms + size_ms;",
        "return floor_to(step_ms, time - size_ms - 1) + step_ms + size_ms;",
    ),
    Fault(
        "window-end-compared-wrong",
        "a row is put into a window that closed with the watermark at its very end",
        "src/ops/window_assign.cc",
        "if (end - 1 <= watermark) continue;",
        "if (end <= watermark) continue;",
    ),
    Fault(
        "outer-row-not-taken-back",
        "an outer join does not take back the row without a partner when that row itself is taken back",
        "src/ops/join.cc",
        "if (read_kept(side, slot).told) HEADRACE_TRY(tell_alone(input, {slot}, {-1}, out));",
        "",
    ),
    Fault(
        "partner-never-lost",
        "a partner that is taken back counts as one more",
        "src/ops/join.cc",
        "note_partner(other, pairs.partners[pair], diff > 0 ? 1 : -1);",
        "note_partner(other, pairs.partners[pair], 1);",
    ),
    Fault(
        "null-key-joins",
        "NULL equals NULL in a join by =",
        "src/ops/join.cc",
        "if (!node_.null_safe[key]) mark_nulls(",
        "if (node_.null_safe[key]) mark_nulls(",
    ),
    Fault(
        "join-row-let-go-early",
        "a row of an interval join is let go a second before its last partner may come",
        "src/ops/join.cc",
        "times[row] + side.plan.expiry->keep_ms : no_expiry;",
        "times[row] + side.plan.expiry->keep_ms - 1000 : no_expiry;",
    ),
    Fault(
        "tie-lost",
        "a later row of equal order never takes the place of the earlier one",
        "src/ops/top_n.cc",
        "return compared < 0 || (compared == 0 && (node_.last_first || node_.rank == TopNNode::Rank::rank));",
        "return compared < 0;",
    ),
    Fault(
        "top-n-off-by-one",
        "the last rank within the limit is left out",
        "src/ops/top_n.cc",
        "if (rank > node_.offset && rank <= capacity_)",
        "if (rank > node_.offset && rank < capacity_)",
    ),
    Fault(
        "top-n-keeps-what-goes",
        "a row that is taken back stays in its Top-N",
        "src/ops/top_n.cc",
        "if (found != missing_slot) drop(found);",
        "(void)found;",
    ),
    Fault(
        "replaced-row-mistaken",
        "a row of an upsert source that comes after a removal in its batch takes back the removed row once more",
        "src/ops/normalize.cc",
        "previous_[row] = batch.diff(by_slot_[i - 1]) < 0 ? none : rows + by_slot_[i - 1];",
        "previous_[row] = rows + by_slot_[i - 1];",
    ),
    Fault(
        "session-gap-exclusive",
        "rows exactly a gap apart do not share a session",
        "src/ops/session_table.cc",
        "if (one.end < time) break;",
        "if (one.end <= time) break;",
    ),
    Fault(
        "sessions-merge-short",
        "a session that joins two ends where the row does, not where the later one did",
        "src/ops/session_table.cc",
        "grown.end = std::max(at(touched[0]).end, time + gap_ms_);",
        "grown.end = time + gap_ms_;",
    ),
    Fault(
        "asof-excludes-equal",
        "an as-of join by >= does not take the row of the very time, and one by > does",
        "src/ops/asof_join.cc",
        "at = node_.comparison == Comparison::greater_equal ? std::upper_bound(begin, end, order)",
        "at = node_.comparison == Comparison::greater ? std::upper_bound(begin, end, order)",
    ),
    Fault(
        "ended-version-found",
        "a temporal join finds a version whose row was removed",
        "src/ops/version_table.cc",
        "if (after != places.begin() && !version(std::prev(after)->row).ends) out[i]",
        "if (after != places.begin()) out[i]",
    ),
    Fault(
        "nulls-counted",
        "an aggregate counts the rows whose argument is NULL",
        "src/ops/accumulators.cc",
        "if (argument && !argument->validity.RowIsValid(at)) continue;",
        "",
    ),
    Fault(
        "sum-never-empty",
        "the sum of a group all of whose values were taken back is 0 instead of NULL",
        "src/ops/accumulators.cc",
        "    set_exactly(sum, total);\n    sum.values += diff;",
        "    set_exactly(sum, total);\n    sum.values += diff > 0 ? diff : 0;",
    ),
    Fault(
        "group-not-taken-back",
        "the result of a group without rows stays",
        "src/ops/told_rows.cc",
        "if (was_told) copy(told, i, -1);",
        "if (was_told && live[i]) copy(told, i, -1);",
    ),
    Fault(
        "value-goes-too-soon",
        "a value that occurs twice is no longer counted once one of them is taken back",
        "src/ops/bag.cc",
        "if (batch.diff(rows[i]) > 0 || read_link(slot).count != 0) continue;",
        "if (batch.diff(rows[i]) > 0 || read_link(slot).count > 1) continue;",
    ),
    Fault(
        "values-on-another-shard",
        "the values of a DISTINCT do not go with their group when it is restored on another number of shards",
        "src/ops/keys.h",
        "return (group & 0xFFC0000000000000) | (row & 0x003FFFFFFFFFFFFF);",
        "return row;",
    ),
    Fault(
        "arrival-reversed-on-restore",
        "rows of a key stand in the reverse order of their arrival after a restore",
        "src/state/keyed_rows.cc",
        "x.group < y.group : x.arrival < y.arrival;",
        "x.group < y.group : x.arrival > y.arrival;",
    ),
    Fault(
        "set-operation-inverted",
        "EXCEPT gives what both sides have",
        "src/ops/set_operation.cc",
        "return left > 0 && (right > 0) != except_;",
        "return left > 0 && right > 0;",
    ),
    Fault(
        "within-inclusive",
        "a match as long as WITHIN is found",
        "src/ops/match.cc",
        "partition.rows[next].time_ms - start_ms < node_.within_ms;",
        "partition.rows[next].time_ms - start_ms <= node_.within_ms;",
    ),
    Fault(
        "over-frame-off-by-one",
        "OVER with RANGE forgets a row a second before the last one that looks back at it",
        "src/ops/over.cc",
        "return time_of(row) + (node_.kept + 999) / 1000;",
        "return time_of(row) + (node_.kept + 999) / 1000 - 1000;",
    ),
    Fault(
        "join-state-not-freed",
        "an interval join never lets a key go",
        "src/ops/join.cc",
        "if (side.rows.rows_in(group) == 0) side.rows.erase_group(group);",
        "(void)group;",
    ),
    Fault(
        "sessions-not-freed",
        "closed sessions are kept for ever",
        "src/ops/session_table.cc",
        "if (bars(slot)) kept.push_back(closed_.front());",
        "kept.push_back(closed_.front());",
    ),
)
