"""Any schedule of crashes, zombies, late requests and unknown outcomes leaves every row once: 0 lost, 0 twice."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from headrace.lake.commits import Marker
from headrace.lake.steward import Steward
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lake_faults import FAULTS, FaultyCatalog
from lake_parts import Json, Writer, marker, rows

Step = tuple[str, str]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["epoch", "epoch", "prepare_then_crash", "restart", "zombie", "deliver", "stranger"]), st.sampled_from(FAULTS)
    ),
    max_size=14,
)


@dataclass
class Pipeline:
    """An engine with one sink and what is durable of it: the checkpoint is the newest request that may be committed."""

    steward: Steward
    writer: Writer
    epoch: int = 0
    next_key: int = 0
    checkpoint: Json | None = None
    durable: list[int] = field(default_factory=list)
    sent: list[Json] = field(default_factory=list)

    def catalog(self) -> FaultyCatalog:
        assert isinstance(self.steward.catalog, FaultyCatalog)
        return self.steward.catalog

    def prepare(self) -> Json:
        keys = [self.next_key, self.next_key + 1]
        return self.writer.prepare(self.epoch + 1, keys)

    def run_epoch(self, fault: str) -> None:
        request = self.prepare()
        self.checkpoint = request  # Durable from here.
        self.epoch += 1
        self.durable += [self.next_key, self.next_key + 1]
        self.next_key += 2
        self.sent.append(request)
        self.catalog().fault = fault
        if self.writer.commit(request)["result"] != "committed":
            self.restart(fault)

    def restart(self, fault: str) -> None:
        """Opens the sink from the checkpoint, as IcebergSink::resume does, until the outcome is known."""
        self.catalog().fault = fault
        self.catalog().unreadable = False
        self.writer = Writer(self.steward)
        while self.checkpoint is not None:
            outcome = self.writer.commit(self.checkpoint)
            assert outcome["result"] != "rejected", outcome
            if outcome["result"] == "committed":
                break
        if self.checkpoint is not None:
            assert marker(self.steward) == Marker(**self.checkpoint["own"])

    def zombie(self) -> None:
        """Everything that any process of this pipeline has ever sent is sent again, by somebody who has slept."""
        for request in self.sent:
            self.steward.answer(request)

    def stranger(self) -> None:
        """Another pipeline appends to the same table."""
        other = Writer(self.steward, lineage=f"stranger{self.next_key}")
        other.commit(other.prepare(1, [-1]))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
@example([("epoch", "late"), ("epoch", "none"), ("deliver", "none"), ("zombie", "none")])
@example([("epoch", "unreadable_after"), ("prepare_then_crash", "none"), ("restart", "lost_answer"), ("zombie", "late")])
def test_every_row_once(schedule: list[Step]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        steward = Steward(FaultyCatalog.at(folder / "lake"))
        pipeline = Pipeline(steward, Writer(steward))
        for step, fault in schedule:
            if step == "epoch":
                pipeline.run_epoch(fault)
            elif step == "prepare_then_crash":
                pipeline.prepare()
                pipeline.restart(fault)
                remove_orphans(pipeline)
            elif step == "restart":
                pipeline.restart(fault)
            elif step == "zombie":
                pipeline.zombie()
            elif step == "deliver":
                pipeline.catalog().deliver()
            else:
                pipeline.stranger()
        pipeline.restart("none")
        pipeline.catalog().deliver()
        pipeline.zombie()
        assert [key for key in rows(steward) if key >= 0] == sorted(pipeline.durable)
    finally:
        shutil.rmtree(folder)


def remove_orphans(pipeline: Pipeline) -> None:
    """As DataFolder::remove_orphans: files of this lineage of epochs after the checkpoint's."""
    for path in Path(pipeline.writer.opened["folder"]).glob(f"l1-s-g1-e{pipeline.epoch + 1}-*"):
        path.unlink()
