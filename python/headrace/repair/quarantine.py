"""`python -m headrace.repair.quarantine`, which is `headrace quarantine`."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from typing import Any

from headrace.door import Door
from headrace.repair.options import add_engine, run
from headrace.repair.records import Record, record, records, replay


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="headrace quarantine", description="Refused records of a running engine.")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("ls", help="list what lies in the quarantine")
    showing = commands.add_parser("show", help="show one record with its reason, its function and the arguments")
    replaying = commands.add_parser("replay", help="put records back into the pipeline, each once, in the order of their refusal")
    showing.add_argument("id", type=int)
    replaying.add_argument("ids", type=int, nargs="*", metavar="ID")
    for command in (listing, replaying):
        command.add_argument("--function", default="", help="only those that this function refused")
        command.add_argument("--source", default="", help="only those that this source or node refused")
    listing.add_argument("--replayed", action="store_true", help="also those that were put back")
    listing.add_argument("--json", action="store_true", help="a JSON object a line, as `show` has it")
    replaying.add_argument("--all", action="store_true", help="whatever lies there")
    for command in (listing, showing, replaying):
        add_engine(command)
    options = parser.parse_args(words)
    door = Door(options.url, token=options.token)
    if options.command == "ls":
        return list_records(door, options)
    if options.command == "show":
        print(json.dumps(document(record(door, options.id)), indent=2, ensure_ascii=False))
        return 0
    if not (options.ids or options.function or options.source or options.all):
        parser.error("say which: IDs, --function, --source or --all")
    outcome = replay(door, ids=options.ids, function=options.function, source=options.source)
    for number, reason in outcome.skipped:
        print(f"{number}: not put back: {reason}", file=sys.stderr)
    print(f"{outcome.rows} put back, {len(outcome.skipped)} not")
    return 1 if options.ids and outcome.skipped else 0


def list_records(door: Door, options: argparse.Namespace) -> int:
    shown = 0
    for found in records(door):
        if found.replayed_us and not options.replayed:
            continue
        if (options.function and found.function != options.function) or (options.source and found.source != options.source):
            continue
        print(json.dumps(document(found), ensure_ascii=False) if options.json else line(found))
        shown += 1
    if not shown:
        print("nothing lies there", file=sys.stderr)
    return 0


def document(found: Record) -> dict[str, Any]:
    """A record for people and programs: times as text, the row and the function's facts as they are."""
    return {
        "id": found.id,
        "source": found.source,
        "origin": found.origin,
        "time": _time(found.time_us),
        "replayed": _time(found.replayed_us) if found.replayed_us else None,
        "code": found.code,
        "name": found.name,
        "reason": found.reason,
        "record": found.content,
        **(found.detail or {}),
    }


def line(found: Record) -> str:
    reason = found.reason.splitlines()[0] if found.reason else ""
    who = f"{found.source}.{found.function}()" if found.function else found.source
    put_back = " (put back)" if found.replayed_us else ""
    return f"{found.id}\t{_time(found.time_us)}\t{who}\t{found.code} {found.name}{put_back}\t{reason[:120]}\t{found.content[:120]}"


def _time(us: int) -> str:
    return datetime.datetime.fromtimestamp(us / 1e6, datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(run(main))
