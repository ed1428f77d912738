"""Instructions per event of every NEXMark query, counted by callgrind, against those on record: the gate for cost.

    python bench/nexmark/instructions.py [q0 q5 ...] [--events 40000] [--record] [--tolerance 0.1]

A query runs over `--events` events and over twice as many, with results thrown away; the difference is what the second half cost, without
the start. A count does not depend on what else the machine does, so that a loss of a tenth is seen where seconds would hide it; it says
nothing about the cache. `--record` writes instructions.json beside this file; do so in the change that is meant to move it. Exit status
1: a query costs more than `--tolerance` above the record, or failed. Needs valgrind.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("instructions.json")
sys.path.insert(0, str(ROOT / "bench"))

from measuring import BINARY, RunFailed, cost_of, engine_environment  # noqa: E402

from run import Kit, Query, argument_parser, chosen, make_data, read_kit, write_project  # noqa: E402


def instructions(kit: Kit, query: Query, data: Path, options: argparse.Namespace) -> int:
    """Counts those of one whole run.

    Raises:
        RunFailed: it did not come to its end.
    """
    project = write_project(kit, query, options, "connector = 'blackhole'")
    with tempfile.NamedTemporaryFile() as profile:
        callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile.name}"]
        run = [str(BINARY), "run", str(project), "--until-end", "--shards", str(options.shards)]
        said = cost_of([*callgrind, *run], engine_environment(DATA=str(data))).said
    found = re.search(r"Collected : (\d+)", said)
    if not found:
        raise RunFailed(said[-600:])
    return int(found[1])


def per_event(kit: Kit, query: Query, folders: list[Path], options: argparse.Namespace) -> float:
    """Gives what an event of the second half costs."""
    half, whole = (instructions(kit, query, data, options) for data in folders)
    return (whole - half) / options.events


def main() -> int:
    """Prints a line per query."""
    parser = argument_parser(__doc__)
    parser.set_defaults(events=40_000)
    parser.add_argument("--record", action="store_true", help="write what is counted to instructions.json")
    parser.add_argument("--tolerance", type=float, default=0.1, help="how much above the record a query may be (default: %(default)s)")
    options = parser.parse_args()
    kit = read_kit(options.kit)
    folders = [make_data(argparse.Namespace(**{**vars(options), "events": times * options.events})) for times in (1, 2)]
    record: dict[str, float] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    failed = 0
    print(f"{'query':12}{'per event':>12}{'on record':>12}{'change':>9}")
    for name in chosen(kit, options.queries):
        try:
            count = per_event(kit, kit.queries[name], folders, options)
        except RunFailed as failure:
            print(f"{name:12} failed: {str(failure).strip()[-600:]}", flush=True)
            failed += 1
            continue
        before = record.get(name)
        change = count / before - 1 if before else 0.0
        failed += not options.record and change > options.tolerance
        print(f"{name:12}{count:>12.0f}{f'{before:.0f}' if before else '-':>12}{change:>+9.1%}", flush=True)
        if options.record:
            record[name] = round(count)
    if options.record:
        RECORD.write_text(json.dumps(record, indent=2) + "\n")
    print(f"{'recorded' if options.record else f'{failed} failed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
