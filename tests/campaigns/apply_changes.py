"""Changes pipelines in many ways under load, with kills in between, and compares every view with batch DuckDB over what had been read,
every sink with what each version had to write, and what was kept with what the plan had said.

    python tests/campaigns/apply_changes.py [--short] [--only KIND ...] [--seed 1]

Each kind of change has two versions of a project, and goes two ways. Stopped: the first version runs while records are appended, and is
killed; `headrace apply` is killed at a crash point, and run again; the second version runs while more records are appended, and is killed,
and ends in order. Running: the engine goes over while records are appended; half of them die in it, and `headrace apply` is run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))
sys.path.insert(0, str(ROOT / "python"))

from changing import Changing, environment  # noqa: E402
from running_engine import BINARY, LIMIT_S, end_of  # noqa: E402

FIRST, MORE = 4000, 2000  # Records appended under each of the two versions.
PORTION = 250
POINTS = ("apply_built", "checkpoint_begin", "checkpoint_segment_written", "checkpoint_segment_synced", "checkpoint_manifest_written")

COLUMNS = "id BIGINT, ts TIMESTAMP, who VARCHAR, amount BIGINT, note VARCHAR"
FILE = "connector = 'file', path = '{}.ndjson', mode = 'follow', poll_wait_ms = '10'"
LAG = "INTERVAL '2' SECOND"
TIME_NOW = "(SELECT max(ts) FROM tx)"


def source(name: str = "tx", lag: str = LAG, columns: str = COLUMNS, file: str = "", options: str = "") -> str:
    """Gives a source over a file that grows."""
    return f"CREATE SOURCE {name} ({columns}, WATERMARK FOR ts AS ts - {lag}) WITH ({FILE.format(file or name)}{options});\n"


def view(name: str, select: str) -> str:
    return f"CREATE MATERIALIZED VIEW {name} AS {select};\n"


def sink(name: str, select: str, file: str = "", options: str = "") -> str:
    return f"CREATE SINK {name} WITH (connector = 'file', path = '{file or name}.ndjson'{options}) AS {select};\n"


def window(kind: str, sizes: str, select: str = "count(*) AS n", where: str = "", keys: str = "who") -> str:
    """Gives a query over windows of one kind."""
    comma = ", " if keys else ""
    return (
        f"SELECT window_start, window_end{comma}{keys}, {select} FROM {kind}(TABLE tx, DESCRIPTOR(ts), {sizes}) {where} "
        f"GROUP BY window_start, window_end{comma}{keys}"
    )


def closed(select: str, size_s: int, *, slide_s: int = 0, lag_s: float = 2.0, where: str = "", keys: str = "who") -> str:
    """Gives what batch SQL has for the windows that the watermark has closed."""
    slide = slide_s or size_s
    comma = ", " if keys else ""
    first = f"floor(epoch(ts))::BIGINT // {slide} * {slide}"
    starts = f"unnest(list_transform(range(0, {size_s // slide}), i -> to_timestamp({first} - i * {slide})::TIMESTAMP))"
    ends = f"s + INTERVAL '{size_s}' SECOND"
    return (
        f"SELECT s AS window_start, {ends} AS window_end{comma}{keys}, {select} "
        f"FROM (SELECT *, {starts} AS s FROM (SELECT * FROM tx)) {where} GROUP BY ALL "
        f"HAVING {ends} - INTERVAL '1' MILLISECOND <= {TIME_NOW} - INTERVAL '{int(lag_s * 1000)}' MILLISECOND"
    )


TOTALS = "SELECT who, count(*) AS n, sum(amount) AS total FROM tx GROUP BY who"
BIG = "SELECT id, who, amount FROM tx WHERE amount > 50"
PER_10S = window("TUMBLE", "INTERVAL '10' SECOND")
SINK_50 = "SELECT id FROM tx WHERE amount > 50"
SINK_90 = "SELECT id FROM tx WHERE amount > 90"
FUNCTION = "import headrace as hr\n\n\n@hr.function\ndef f(n: int) -> int:\n    return n {}\n"
AGGREGATE = "import headrace as hr\n\n\n@hr.aggregate\ndef spread(values: list[int]) -> int:\n    return {}\n"


@dataclass
class Kind:
    """A change: two versions of the SQL (and of further files), and what must come of it.

    Attributes:
        fates: fate by node with state, source and sink, as the plan must say it.
        views: view of the second version -> batch SQL.
        sinks: file -> (batch SQL for records before the change, for those after it); of ids. No SQL after it: nothing writes the file any
            more.
    """

    name: str
    before: str
    after: str
    fates: dict[str, str] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    sinks: dict[str, tuple[str, str]] = field(default_factory=dict)
    files_before: dict[str, str] = field(default_factory=dict)
    files_after: dict[str, str] = field(default_factory=dict)


TX = source()
BASE = TX + view("totals", TOTALS)
KEPT = {"aggregate totals": "kept", "view totals": "kept", "source tx": "kept"}
KEPT_VIEW = {"totals": TOTALS}


def kinds() -> list[Kind]:
    """Gives all kinds of change."""
    two = TX + source("ty")
    join = (
        "SELECT a.id, a.who, b.amount FROM tx AS a JOIN ty AS b "
        "ON a.id = b.id AND b.ts BETWEEN a.ts - INTERVAL '{0}' SECOND AND a.ts + INTERVAL '{0}' SECOND"
    )
    ranked = "SELECT {0} FROM (SELECT *, row_number() OVER (PARTITION BY who ORDER BY {1}) AS place FROM tx) WHERE place <= {2}"
    last = ranked.format("who, id", "id DESC", 1)
    session = (
        "SELECT who, window_start, window_end, count(*) AS n "
        "FROM SESSION(TABLE tx PARTITION BY who, DESCRIPTOR(ts), INTERVAL '{}' MILLISECOND) GROUP BY who, window_start, window_end"
    )
    over = "SELECT id, who, sum(amount) OVER (PARTITION BY who ORDER BY id ROWS BETWEEN {} PRECEDING AND CURRENT ROW) AS s FROM tx"
    running = "SELECT who, count(*) AS n FROM tx GROUP BY who"
    per_note = "SELECT note, count(*) AS n, min(amount) AS least FROM tx GROUP BY note"
    return [
        Kind("new view", BASE, BASE + view("per_note", per_note), KEPT | {"aggregate per_note": "new"}, KEPT_VIEW | {"per_note": per_note}),
        Kind("dropped view", BASE + view("big", BIG), BASE, KEPT | {"view big": "dropped"}, KEPT_VIEW),
        Kind(
            "renamed view",
            BASE,
            TX + view("sums", TOTALS),
            {"aggregate sums": "kept", "view sums": "kept", "source tx": "kept"},
            {"sums": TOTALS},
        ),
        Kind(
            "two views swap names",
            BASE + view("per_note", per_note),
            TX + view("per_note", TOTALS) + view("totals", per_note),
            {"view totals": "kept", "view per_note": "kept"},
            {"per_note": TOTALS, "totals": per_note},
        ),
        Kind(
            "added aggregate",
            BASE,
            TX + view("totals", "SELECT who, count(*) AS n, sum(amount) AS total, max(id) AS last FROM tx GROUP BY who"),
            {"aggregate totals": "rebuilt", "view totals": "rebuilt", "source tx": "kept"},
            {"totals": "SELECT who, count(*), sum(amount), max(id) FROM tx GROUP BY who"},
        ),
        Kind(
            "added column",
            BASE + view("big", BIG),
            BASE + view("big", BIG.replace("amount FROM", "amount, note FROM")),
            KEPT | {"view big": "rebuilt"},
            KEPT_VIEW | {"big": "SELECT id, who, amount, note FROM tx WHERE amount > 50"},
        ),
        Kind(
            "renamed column",
            BASE,
            TX + view("totals", TOTALS.replace("AS total", "AS sum_of_amounts")),
            KEPT,
            {"totals": TOTALS},
        ),
        Kind(
            "filter below state",
            BASE + view("big", BIG),
            TX + view("totals", TOTALS.replace("FROM tx", "FROM tx WHERE amount > 20")) + view("big", BIG),
            {"aggregate totals": "rebuilt", "view totals": "rebuilt", "view big": "kept", "source tx": "kept"},
            {"totals": TOTALS.replace("FROM tx", "FROM tx WHERE amount > 20"), "big": BIG},
        ),
        Kind(
            "filter above state",
            TX + view("totals", TOTALS + " HAVING sum(amount) > 100"),
            TX + view("totals", TOTALS + " HAVING sum(amount) > 40000"),
            {"aggregate totals": "kept", "view totals": "rebuilt", "source tx": "kept"},
            {"totals": TOTALS + " HAVING sum(amount) > 40000"},
        ),
        Kind(
            "key of a group",
            BASE,
            TX + view("totals", TOTALS.replace("who", "note")),
            {"aggregate totals": "rebuilt", "view totals": "rebuilt"},
            {"totals": TOTALS.replace("who", "note")},
        ),
        Kind(
            "size of a window",
            TX + view("per", PER_10S) + view("totals", TOTALS),
            TX + view("per", window("TUMBLE", "INTERVAL '30' SECOND")) + view("totals", TOTALS),
            KEPT | {"window_aggregate per": "rebuilt", "view per": "rebuilt"},
            KEPT_VIEW | {"per": closed("count(*)", 30)},
        ),
        Kind(
            "kind of a window",
            TX + view("per", PER_10S),
            TX + view("per", window("HOP", "INTERVAL '5' SECOND, INTERVAL '20' SECOND")),
            {"window_aggregate per": "rebuilt", "view per": "rebuilt"},
            {"per": closed("count(*)", 20, slide_s=5)},
        ),
        Kind(
            "new window over an old one's source",
            TX + view("per", PER_10S),
            TX
            + view("per", PER_10S)
            + view("note_per", window("TUMBLE", "INTERVAL '10' SECOND", keys="note", select="max(amount) AS most")),
            {"window_aggregate per": "kept", "view per": "kept", "window_aggregate note_per": "new"},
            {"per": closed("count(*)", 10), "note_per": closed("max(amount)", 10, keys="note")},
        ),
        Kind(
            "watermark of a source",
            TX + view("per", PER_10S) + view("totals", TOTALS),
            source(lag="INTERVAL '5' SECOND") + view("per", PER_10S) + view("totals", TOTALS),
            {"window_aggregate per": "rebuilt", "source tx": "rebuilt"},
            KEPT_VIEW | {"per": closed("count(*)", 10, lag_s=5)},
        ),
        Kind(
            "gap of a session",
            TX + view("visits", session.format(900)) + view("totals", TOTALS),
            TX + view("visits", session.format(1200)) + view("totals", TOTALS),
            KEPT | {"window_aggregate visits": "rebuilt", "view visits": "rebuilt"},
            KEPT_VIEW,
        ),
        Kind(
            "body of a function",
            BASE + view("called", "SELECT who, sum(f(amount)) AS y FROM tx GROUP BY who"),
            BASE + view("called", "SELECT who, sum(f(amount)) AS y FROM tx GROUP BY who"),
            KEPT | {"aggregate called": "rebuilt", "view called": "rebuilt"},
            KEPT_VIEW | {"called": "SELECT who, sum(amount * 2) FROM tx GROUP BY who"},
            files_before={"functions/f.py": FUNCTION.format("+ 1")},
            files_after={"functions/f.py": FUNCTION.format("* 2")},
        ),
        Kind(
            "body of an aggregate function",
            BASE + view("spreads", "SELECT who, spread(amount) AS y FROM tx GROUP BY who"),
            BASE + view("spreads", "SELECT who, spread(amount) AS y FROM tx GROUP BY who"),
            KEPT | {"aggregate spreads": "rebuilt", "view spreads": "rebuilt"},
            KEPT_VIEW | {"spreads": "SELECT who, max(amount) - min(amount) FROM tx GROUP BY who"},
            files_before={"functions/f.py": AGGREGATE.format("max(values)")},
            files_after={"functions/f.py": AGGREGATE.format("max(values) - min(values)")},
        ),
        Kind(
            "new source",
            BASE,
            BASE + source("ty") + view("others", TOTALS.replace("tx", "ty")),
            KEPT | {"source ty": "new", "aggregate others": "new"},
            KEPT_VIEW | {"others": TOTALS.replace("tx", "ty")},
        ),
        Kind(
            "new source joined with an old one",
            BASE,
            BASE + source("ty") + view("pairs", join.format(1)),
            KEPT | {"source ty": "new", "join pairs": "new", "view pairs": "new"},
            KEPT_VIEW | {"pairs": join.format(1)},
        ),
        Kind(
            "union with another source",
            two + view("all_of_them", "SELECT id, who FROM tx WHERE amount > 50") + view("totals", TOTALS),
            two
            + view("all_of_them", "SELECT id, who FROM tx WHERE amount > 50 UNION ALL SELECT id, who FROM ty WHERE amount > 50")
            + view("totals", TOTALS),
            KEPT | {"source ty": "kept", "view all_of_them": "rebuilt"},
            KEPT_VIEW | {"all_of_them": "SELECT id, who FROM tx WHERE amount > 50 UNION ALL SELECT id, who FROM ty WHERE amount > 50"},
        ),
        Kind(
            "bounds of a join",
            two + view("pairs", join.format(1)) + view("totals", TOTALS),
            two + view("pairs", join.format(0)) + view("totals", TOTALS),
            KEPT | {"join pairs": "rebuilt", "view pairs": "rebuilt"},
            KEPT_VIEW | {"pairs": join.format(0)},
        ),
        Kind(
            "file of a source",
            BASE,
            source(file="ty") + view("totals", TOTALS),
            {"source tx": "new", "aggregate totals": "rebuilt", "view totals": "rebuilt"},
            {"totals": TOTALS},
        ),
        Kind(
            "pace of a source",
            BASE,
            BASE.replace("poll_wait_ms = '10'", "poll_wait_ms = '20'"),
            KEPT,
            KEPT_VIEW,
        ),
        Kind(
            "declared column of a source",
            source(columns=COLUMNS.replace(", note VARCHAR", "")) + view("totals", TOTALS),
            BASE + view("per_note", per_note),
            KEPT | {"aggregate per_note": "new"},
            KEPT_VIEW | {"per_note": per_note},
        ),
        Kind(
            "contract of a source",
            BASE,
            BASE,
            {"source tx": "rebuilt", "aggregate totals": "rebuilt", "view totals": "rebuilt"},
            {"totals": TOTALS.replace("FROM tx", "FROM tx WHERE amount > 9")},
            files_after={"contracts/tx.toml": 'source = "tx"\n\n[[expect]]\nname = "enough"\ncheck = "amount > 9"\n'},
        ),
        Kind(
            "view below a view",
            TX + view("big", BIG) + view("sums", "SELECT who, sum(amount) AS s FROM big GROUP BY who") + view("totals", TOTALS),
            TX
            + view("big", BIG.replace("50", "60"))
            + view("sums", "SELECT who, sum(amount) AS s FROM big GROUP BY who")
            + view("totals", TOTALS),
            KEPT | {"view big": "rebuilt", "aggregate sums": "rebuilt", "view sums": "rebuilt"},
            KEPT_VIEW | {"big": BIG.replace("50", "60"), "sums": "SELECT who, sum(amount) FROM tx WHERE amount > 60 GROUP BY who"},
        ),
        Kind(
            "new view over a kept one",
            BASE,
            BASE + view("rich", "SELECT count(*) AS n, max(total) AS most FROM totals"),
            KEPT | {"aggregate rich": "new", "view rich": "new"},
            KEPT_VIEW | {"rich": f"SELECT count(*), max(total) FROM ({TOTALS})"},
        ),
        Kind(
            "new view over a paced one",
            TX + view("paced", running + " EMIT EVERY INTERVAL '1' SECOND"),
            TX + view("paced", running + " EMIT EVERY INTERVAL '1' SECOND") + view("over_it", "SELECT sum(n) AS rows FROM paced"),
            {"aggregate paced": "rebuilt", "view paced": "rebuilt", "aggregate over_it": "new"},
            {"paced": running, "over_it": "SELECT count(*) FROM tx"},
        ),
        Kind(
            "new Top-N",
            BASE,
            BASE + view("best", ranked.format("id, who, amount", "amount DESC, id", 3)),
            KEPT | {"top_n best": "new"},
            KEPT_VIEW | {"best": ranked.format("id, who, amount", "amount DESC, id", 3)},
        ),
        Kind(
            "limit of a Top-N",
            BASE + view("best", ranked.format("id, who, amount", "amount DESC, id", 3)),
            BASE + view("best", ranked.format("id, who, amount", "amount DESC, id", 5)),
            KEPT | {"top_n best": "rebuilt", "view best": "rebuilt"},
            KEPT_VIEW | {"best": ranked.format("id, who, amount", "amount DESC, id", 5)},
        ),
        Kind("new deduplication", BASE, BASE + view("latest", last), KEPT | {"top_n latest": "new"}, KEPT_VIEW | {"latest": last}),
        Kind(
            "frame of a window function",
            BASE + view("sums", over.format(2)),
            BASE + view("sums", over.format(4)),
            KEPT | {"over sums": "rebuilt", "view sums": "rebuilt"},
            KEPT_VIEW | {"sums": over.format(4)},
        ),
        Kind(
            "a shorter select over another's columns",
            BASE + view("every", "SELECT * FROM tx"),
            BASE,
            KEPT | {"view every": "dropped"},
            KEPT_VIEW,
        ),
        Kind(
            "order of statements, comments",
            TX + view("big", BIG) + view("totals", TOTALS),
            TX + "-- Turned around.\n" + view("totals", TOTALS) + view("big", BIG),
            KEPT | {"view big": "kept"},
            KEPT_VIEW | {"big": BIG},
        ),
        Kind(
            "query of a sink",
            BASE + sink("out", SINK_50),
            BASE + sink("out", SINK_90),
            KEPT | {"sink out": "rebuilt"},
            KEPT_VIEW,
            {"out.ndjson": (SINK_50, SINK_90)},
        ),
        Kind(
            "file of a sink",
            BASE + sink("out", SINK_50),
            BASE + sink("out", SINK_90, file="other"),
            KEPT | {"sink out": "new"},
            KEPT_VIEW,
            {"other.ndjson": (SINK_90, SINK_90), "out.ndjson": (SINK_50, "")},
        ),
        Kind("new sink", BASE, BASE + sink("out", SINK_50), KEPT | {"sink out": "new"}, KEPT_VIEW, {"out.ndjson": (SINK_50, SINK_50)}),
        Kind(
            "dropped sink",
            BASE + sink("out", SINK_50) + sink("more", SINK_90),
            BASE + sink("more", SINK_90),
            KEPT | {"sink out": "dropped", "sink more": "kept"},
            KEPT_VIEW,
            {"more.ndjson": (SINK_90, SINK_90)},
        ),
        Kind(
            "view beside a sink",
            BASE + sink("out", SINK_50),
            BASE + view("big", BIG) + sink("out", SINK_50),
            KEPT | {"sink out": "kept", "view big": "new"},
            KEPT_VIEW | {"big": BIG},
            {"out.ndjson": (SINK_50, SINK_50)},
        ),
        Kind(
            "new alert",
            BASE,
            BASE + "CREATE ALERT rich ON totals WHEN total > 100;\n",
            KEPT | {"alert rich": "new"},
            KEPT_VIEW,
        ),
    ]


SHORT = ("new view", "filter above state", "size of a window", "body of a function", "new source joined with an old one", "file of a sink")


class Load:
    """An engine that runs while records are appended to its files."""

    def __init__(self, pipeline: Changing, files: tuple[str, ...]) -> None:
        self.pipeline, self.files = pipeline, files
        self.written = 0
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, listen: bool = False, crash: str = "") -> None:
        line = [str(BINARY), "run", str(self.pipeline.project), "--state", str(self.pipeline.state), "--shards", "2"]
        line += ["--listen", "127.0.0.1:0"] if listen else ["--no-listen"]
        more = {"HEADRACE_CRASH": crash} if crash else {}
        self.process = subprocess.Popen(line, env=environment(**more), stdout=self.log, stderr=self.log)

    def append(self, count: int) -> None:
        """Appends in portions, so that the engine reads while the files grow."""
        for _ in range(count // PORTION):
            for file in self.files:
                self.pipeline.append(f"{file}.ndjson", self.written, PORTION)
            self.written += PORTION
            time.sleep(0.01)  # The load's pace; nothing is awaited.

    def wait_until_read(self, source: str, records: int) -> None:
        """Waits for a checkpoint with so many records of a source."""
        self.wait_until(lambda: self.pipeline.records_read(source) >= records, f"has not read {records} records of {source}")

    def wait_until_asked(self) -> None:
        """Waits until `headrace apply` finds its door, which opens after the first records are read."""
        self.wait_until((self.pipeline.state / "address").exists, "has opened no door")

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        assert self.process is not None
        deadline = time.monotonic() + LIMIT_S
        while not holds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the engine {what}\n{self.printed()}")
            time.sleep(0.01)

    def printed(self) -> str:
        return end_of(self.log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Trial:
    """One kind of change, from the first version to the end of the second."""

    def __init__(self, kind: Kind, folder: Path, random: Random) -> None:
        self.kind, self.random = kind, random
        self.pipeline = Changing(folder)
        self.read_before: dict[str, int] = {}
        self.kills: list[str] = []

    def run_running(self) -> None:
        """The engine goes over while records are appended."""
        kind, pipeline = self.kind, self.pipeline
        load = Load(pipeline, ("tx", "ty"))
        pipeline.write({"sql/pipeline.sql": kind.before, **kind.files_before})
        load.append(PORTION)
        dies = self.random.random() < 0.5
        load.start(listen=True, crash="apply_built:1" if dies else "")
        load.append(FIRST - PORTION)
        load.wait_until_read("tx", self.random.randint(PORTION, FIRST))
        load.wait_until_asked()
        pipeline.write({"sql/pipeline.sql": kind.after, **(kind.files_after or kind.files_before)})
        self.check_plan()
        self.read_before = {"tx": pipeline.records_read()}  # At least.
        more = threading.Thread(target=load.append, args=(MORE,))
        more.start()
        done = pipeline.apply()
        more.join()
        assert load.process is not None
        if dies and pipeline.plan()["changed"]:
            load.process.wait(LIMIT_S)
            self.kills.append("apply_built in the running engine")
            assert done.returncode != 0
            done = pipeline.apply()
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{load.printed()}"
        assert not pipeline.plan()["changed"]
        load.kill()
        self.kills.append("second version")
        assert "books: balanced" in pipeline.run_to_end()
        self.check_views({name: FIRST + MORE for name in ("tx", "ty")}, at_end=True)

    def run_stopped(self) -> None:
        """Both versions are killed, and the change-over between them."""
        kind, pipeline = self.kind, self.pipeline
        load = Load(pipeline, ("tx", "ty"))
        pipeline.write({"sql/pipeline.sql": kind.before, **kind.files_before})
        load.append(PORTION)
        load.start()
        load.append(FIRST - PORTION)
        load.wait_until_read("tx", self.random.randint(PORTION, FIRST))
        load.kill()
        self.kills.append("first version")
        if any(not after for _, after in kind.sinks.values()):
            self.settle(load)
        pipeline.write({"sql/pipeline.sql": kind.after, **(kind.files_after or kind.files_before)})
        self.read_before = {name: pipeline.records_read(name) for name in ("tx", "ty")}
        self.check_plan()
        self.apply()
        self.check_views(self.read_before)
        load.start()
        load.append(MORE)
        load.wait_until_read("tx", self.random.randint(FIRST, FIRST + MORE))
        load.kill()
        self.kills.append("second version")
        assert "books: balanced" in pipeline.run_to_end()
        self.check_views({name: FIRST + MORE for name in ("tx", "ty")}, at_end=True)
        self.check_sinks()

    def settle(self, load: Load) -> None:
        """A sink goes: `apply` says so where the kill kept it from its last rows, and the first version gives them to it."""
        kind, pipeline = self.kind, self.pipeline
        if pipeline.has_committed():
            return
        pipeline.write({"sql/pipeline.sql": kind.after, **(kind.files_after or kind.files_before)})
        refused = pipeline.apply()
        assert refused.returncode == 1 and "had its last rows" in refused.stderr, refused.stdout + refused.stderr
        pipeline.write({"sql/pipeline.sql": kind.before, **kind.files_before})
        while not pipeline.has_committed():  # Or it was killed within a later checkpoint.
            load.start()
            load.wait_until(pipeline.has_committed, "has not committed")
            load.kill()

    def check_plan(self) -> None:
        fates = self.pipeline.fates()
        wrong = {name: (fates.get(name), fate) for name, fate in self.kind.fates.items() if fates.get(name) != fate}
        assert not wrong, f"the plan says {wrong} (got, wanted)"

    def apply(self) -> None:
        """Applies, killed at a point before; the state belongs to one version or the other."""
        point = self.random.choice(POINTS)
        done = self.pipeline.apply(crash=f"{point}:1")
        changed = self.pipeline.plan()["changed"]
        if done.returncode == 0:  # There was nothing to do, or no state to write: the point was not passed.
            assert not changed, done.stdout
        else:
            self.kills.append(point)
            assert changed == (point != "checkpoint_manifest_written"), f"killed at {point}, the plan says changed = {changed}"
        if changed:
            self.check_plan()
        done = self.pipeline.apply()
        assert done.returncode == 0, done.stderr
        assert not self.pipeline.plan()["changed"]

    def check_views(self, records: dict[str, int], *, at_end: bool = False) -> None:
        for name, query in self.kind.views.items():
            if at_end:
                query = query.replace(TIME_NOW, "TIMESTAMP '9999-01-01'")
            wanted = self.pipeline.oracle(query, **self.tables(records))
            got = self.pipeline.query(f"SELECT * FROM {name}")
            assert got == wanted, f"view {name} after {records}: lacks {sample(wanted - got)}, has too much {sample(got - wanted)}"

    def tables(self, records: dict[str, int]) -> dict[str, tuple[str, int]]:
        """Names what the oracle reads: the file behind each source, and how much of it had been read."""
        read = {name: records.get(name, 0) for name in ("tx", "ty")}
        if self.kind.name == "file of a source":  # Source tx reads the other file, from its beginning, once the second version runs.
            return {"tx": ("ty.ndjson", 0 if records is self.read_before else read["tx"])}
        return {name: (f"{name}.ndjson", count) for name, count in read.items()}

    def check_sinks(self) -> None:
        for file, (before, after) in self.kind.sinks.items():
            wanted: Counter[str] = Counter()
            for query, first, end in ((before, 0, self.read_before["tx"]), (after, self.read_before["tx"], FIRST + MORE)):
                if not query:
                    continue
                bound = f"SELECT id FROM ({query}) WHERE id >= {first} AND id < {end}"
                wanted += Counter(
                    json.dumps({"id": row[0]}, separators=(",", ":")) for row in self.pipeline.oracle(bound, tx=("tx.ndjson", FIRST + MORE))
                )
            got = self.pipeline.sink_lines(file)
            assert got == wanted, f"{file}: lacks {sample(wanted - got)}, has too much {sample(got - wanted)}"


def sample(rows: Counter[Any]) -> str:
    """Shows a few of many."""
    return f"{sum(rows.values())} such as {list(rows)[:3]}"


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Changes pipelines under load, with kills in between.")
    parser.add_argument("--short", action="store_true", help="a handful of kinds")
    parser.add_argument("--only", nargs="*", default=[], help="kinds with this text in their name")
    parser.add_argument("--seed", type=int, default=1, help="another seed kills at other moments (default: 1)")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it (default: a temporary one)")
    given = parser.parse_args()
    chosen = [kind for kind in kinds() if not given.short or kind.name in SHORT]
    chosen = [kind for kind in chosen if not given.only or any(text in kind.name for text in given.only)]
    random = Random(given.seed)
    failed = 0
    print(f"{'change':<44} {'records before':>14}  {'s':>5}  outcome")
    with tempfile.TemporaryDirectory() as temporary:
        for number, (kind, way) in enumerate((kind, way) for kind in chosen for way in ("stopped", "running")):
            started = time.monotonic()
            trial = Trial(kind, (given.keep or Path(temporary)) / str(number), random)
            try:
                trial.run_stopped() if way == "stopped" else trial.run_running()
                outcome = f"as planned, equal to the oracle; killed in {', '.join(trial.kills)}"
            except Exception as failure:  # One kind that fails must not hide the others.
                failed += 1
                outcome = (
                    f"FAILED after kills in {trial.kills}: {failure}" if isinstance(failure, AssertionError) else traceback.format_exc()
                )
            print(f"{kind.name:<36} {way} {trial.read_before.get('tx', 0):>14}  {time.monotonic() - started:>5.1f}  {outcome}", flush=True)
    print(f"{2 * len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
