"""`python -m headrace.repair.why_open`, which is `headrace why-open`."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.door import Door
from headrace.repair.options import add_engine, run

ROWS_SHOWN = 5
"""Rows shown of what a window would give now; --json has up to a hundred."""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="headrace why-open",
        description="Says why a view's results are not out yet: which split holds the watermark, and what would be given now.",
    )
    parser.add_argument("view", metavar="VIEW")
    parser.add_argument("window", metavar="WINDOW", nargs="?", default="", help="start of a window, such as '2026-01-31 12:00:00'")
    parser.add_argument("--json", action="store_true", help="what the engine answers, as JSON")
    add_engine(parser)
    options = parser.parse_args(words)
    answer = why_open(Door(options.url, token=options.token), options.view, options.window)
    print(json.dumps(answer, ensure_ascii=False) if options.json else "\n".join(lines(answer)))
    return 0


def why_open(door: Door, view: str, window: str = "") -> dict[str, Any]:
    """Asks a running engine why a view's results are not out.

    Args:
        window: the start of a window as the view shows it; "" = all that are open.

    Raises:
        NotFound: there is no such view (code 6003).
        BadRequest: `window` is no timestamp (code 6004).
    """
    query = "?" + urllib.parse.urlencode({"window": window}) if window else ""
    answer = door.request("GET", f"/v1/views/{urllib.parse.quote(view, safe='')}/why-open{query}").json()
    return dict(answer)


def lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """The answer for people."""
    asked = f", window {moment(answer['window_ms'])}" if answer["window_ms"] is not None else ""
    yield f"{answer['view']}{asked}:"
    yield from (f"  {reason['text']}" for reason in answer["reasons"])
    for operator in answer["operators"]:
        shown = operator["windows"]
        yield f"  {operator['kind']} of {operator['name']}, watermark {moment(operator['watermark_ms'])}, {operator['open']} open"
        for window in shown:
            yield from window_lines(window)
        if len(shown) < operator["open"]:
            yield f"    ... and {operator['open'] - len(shown)} more"
    for source in answer["sources"]:
        yield f"  source {source['name']} ({state(source)}), watermark {moment(source['watermark_ms'])}"
        yield from (f"    {split_line(split)}" for split in source["splits"])


def window_lines(window: Mapping[str, Any]) -> Iterator[str]:
    if window["start_ms"] is None:
        yield f"    {window['rows']} rows wait, the first for {moment(window['due_ms'])}"
    else:
        yield f"    [{moment(window['start_ms'])}, {moment(window['end_ms'])}): {window['rows']} rows, {window['results']} results"
    yield from (f"      why: {reason['text']}" for reason in window["reasons"])
    yield from (f"      now: {json.dumps(row, ensure_ascii=False)}" for row in window["now"][:ROWS_SHOWN])
    if window["results"] > ROWS_SHOWN and window["now"]:
        yield f"      ... and {window['results'] - ROWS_SHOWN} more"


def split_line(split: Mapping[str, Any]) -> str:
    name = f" ({split['name']})" if split["name"] else ""
    end = ", ended" if split["ended"] else ", paused" if split["paused"] else ""
    latest = f", latest time {moment(split['latest_time_ms'])}" if split["latest_time_ms"] is not None else ""
    return f"split {split['split']}{name}: watermark {moment(split['watermark_ms'])}, {split['rows']} rows since the start{latest}{end}"


def state(source: Mapping[str, Any]) -> str:
    if source["ended"]:
        return "ended"
    return "caught up" if source["caught_up"] else "has more to give"


def moment(ms: int | None) -> str:
    """An event time as a view shows it; "none" = there is none.

    >>> moment(1_500)
    '1970-01-01 00:00:01.500'
    """
    if ms is None:
        return "none"
    time = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return time.isoformat(sep=" ", timespec="milliseconds").removesuffix(".000")


if __name__ == "__main__":
    sys.exit(run(main))
