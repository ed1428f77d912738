"""The pytest plug-in: a project's pipeline under a test's hand, with virtual time.

def test_velocity(headrace_run):
    run = headrace_run("fraud/")
    run.feed("tx", [{"card": "a", "amount": 5.0, "ts": "2026-01-01T00:00:00"}])
    run.advance_to("2026-01-01T00:01:10")
    assert run.changes("per_minute") == [("+I", {"card": "a", "n": 1})]

Sources are fed by the test whatever their connector; sinks stay shut; the clock stands still but for `advance_to`. Installed with
headrace, pytest finds the fixture by itself.
"""

from __future__ import annotations

import datetime
import decimal
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import pytest

from headrace.errors import BadConfig, error_of


class Run:
    """One pipeline under test. Made by the fixture `headrace_run`; ends with the test."""

    def __init__(self, project: str | os.PathLike[str], *, profile: str = "", shards: int = 1) -> None:
        command = [program(), "drive", os.fspath(project), "--shards", str(shards)]
        environment = {**os.environ, "HEADRACE_PYTHON": os.environ.get("HEADRACE_PYTHON", sys.executable)}
        command += ["--profile", profile] if profile else []
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def feed(self, source: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Gives rows to a source, and lets the pipeline make one tick of them.

        Args:
            rows: by column; texts, numbers, bool, None, Decimal, dates, times, lists and dicts.

        Raises:
            HeadraceError: there is no such source, or the pipeline has failed.
        """
        self._ask({"feed": {"source": source, "rows": [dict(row) for row in rows]}})

    def advance_to(self, time: str | datetime.datetime) -> None:
        """Moves event time and the clock: nothing earlier will come from any source; windows before it close, timers before it fire."""
        moment = datetime.datetime.fromisoformat(time) if isinstance(time, str) else time
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        self._ask({"advance_to": round(moment.timestamp() * 1000)})

    def end(self) -> None:
        """Ends every source: what windows still hold is told, as far as the views say so."""
        self._ask({"end": True})

    def changes(self, view: str) -> list[tuple[str, dict[str, Any]]]:
        """What has changed in a view since the last call: ("+I" | "-U" | "+U" | "-D", row), in order; times as ISO text."""
        return [(kind, row) for kind, row in self._ask({"changes": view})["changes"]]

    def query(self, sql: str) -> list[dict[str, Any]]:
        """One SELECT over the views; each row by column, times as ISO text."""
        answer = self._ask({"query": sql})
        names = [column["name"] for column in answer["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer["rows"]]

    def quarantine(self) -> list[dict[str, Any]]:
        """What was refused so far: "source", "row", "code", "name", "reason", "late"."""
        return list(self._ask({"quarantine": True})["rows"])

    def close(self) -> None:
        """Ends the pipeline."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request, default=_plain) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the engine under test has ended ({self._process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            error = answer["error"]
            raise error_of(error["code"], error["message"], remedy=error["remedy"], at=error["at"])
        return answer


def _plain(value: Any) -> Any:
    """What JSON has no form for."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be fed")


def program() -> str:
    """The engine: HEADRACE_BIN, else `headrace` beside the interpreter or on PATH.

    Raises:
        BadConfig: it is nowhere (code 1001).
    """
    beside = pathlib.Path(sys.executable).parent / "headrace"
    found = os.environ.get("HEADRACE_BIN") or (str(beside) if beside.exists() else shutil.which("headrace"))
    if not found:
        raise BadConfig("the program headrace is not on PATH", remedy="install headrace, or set HEADRACE_BIN")
    return found


@pytest.fixture
def headrace_run() -> Iterator[Callable[..., Run]]:
    """Starts pipelines: headrace_run("project/", profile="", shards=1) gives a Run. They end with the test."""
    runs: list[Run] = []

    def start(project: str | os.PathLike[str], *, profile: str = "", shards: int = 1) -> Run:
        runs.append(Run(project, profile=profile, shards=shards))
        return runs[-1]

    yield start
    for run in runs:
        run.close()
