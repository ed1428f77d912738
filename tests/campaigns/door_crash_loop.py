"""Kills the engine while a client posts through its HTTP door, and counts in the end: what was answered with 200 is there once, and
what was sent again after a lost answer is there once, too.

    python tests/campaigns/door_crash_loop.py [--short] [--kills 40] [--seed 1]

The project is the template `http`. The client gives each request an Idempotency-Key and repeats it until it is answered.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import crash_loop
import engine
from running_engine import LIMIT_S, end_of, free_port

RECORDS_PER_REQUEST = 40
START = datetime(2026, 1, 1)


class Engine:
    """A running engine that is started again whenever it has died."""

    def __init__(self, project: Path, state: Path, random: Random, points: list[str]) -> None:
        self.project, self.state, self.random = project, state, random
        self.waiting = [f"{point}:{passes}" for passes in (1, 3) for point in points]
        self.points = points
        self.kills: Counter[str] = Counter()
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.plan = ""
        self.kill_at = float("inf")
        self.log = tempfile.TemporaryFile()  # noqa: SIM115

    def start(self, *, mortal: bool) -> None:
        """Starts it with the next way to die, if it is to die at all, and waits until it is ready."""
        environment = engine.environment()
        environment.pop("HEADRACE_CRASH", None)
        self.plan, self.kill_at = "random moment", float("inf")
        if mortal and self.points and (self.waiting or self.random.random() < 0.6):
            self.plan = self.waiting.pop(0) if self.waiting else f"{self.random.choice(self.points)}:{self.random.randint(1, 20)}"
            environment["HEADRACE_CRASH"] = self.plan
        # A point that is not passed must not keep the engine alive for ever.
        if mortal:
            self.kill_at = time.monotonic() + self.random.uniform(0.3, 2.5)
        command = [str(engine.BINARY), "run", str(self.project), "--state", str(self.state), "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)

    def alive(self) -> bool:
        """Looks after the process: kills it when its time has come, notes a death, gives whether it runs."""
        assert self.process is not None
        if time.monotonic() >= self.kill_at:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.plan = "random moment"
        code = self.process.poll()
        if code is None:
            return True
        crash_loop.end_orphans(self.process.pid)
        if code != -signal.SIGKILL:
            raise engine.EngineError(f"exit {code}: {end_of(self.log)}")
        self.kills[self.plan.partition(":")[0]] += 1
        return False

    def stop(self) -> None:
        """Ends it in good order."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT_S)


def records(random: Random, number: int) -> list[dict[str, object]]:
    """Makes the records of one request; some break the contract. Time goes on with the requests, so that nothing is late."""
    at = START + timedelta(seconds=2 * number)
    return [
        {
            "ts": str(at + timedelta(milliseconds=random.randrange(2000))),
            "path": random.choice(["/cart", "/home"]),
            "status": random.choice([200, 200, 404, 500, 999]),
            "ms": random.randrange(1000),
        }
        for _ in range(RECORDS_PER_REQUEST)
    ]


def post(running: Engine, number: int, rows: list[dict[str, object]]) -> dict[str, object] | None:
    """Posts once; None = no answer, so that it has to be sent again."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{running.port}/v1/sources/requests",
        "".join(json.dumps(row) + "\n" for row in rows).encode(),
        {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"request-{number}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code in (429, 503):
            return None
        raise engine.EngineError(f"request {number}: {error.code} {error.read().decode()}") from error
    except (OSError, ValueError):
        return None


def campaign(scratch: Path, kills: int, seed: int) -> int:
    """Posts until enough kills are done, then compares the views with what was sent; gives the number of failures."""
    random = Random(seed)
    project = Path(shutil.copytree(engine.ROOT / "examples" / "templates" / "http", scratch / "project"))
    points = [point for point in crash_loop.crash_points() if not point.startswith(("lake_", "file_", "sink_"))]
    running = Engine(project, scratch / "state", random, points)
    sent: list[dict[str, object]] = []
    failures: list[str] = []
    number = repeated = 0
    running.start(mortal=True)
    while running.kills.total() < kills:
        rows = records(random, number)
        answer = None
        while answer is None:
            if not running.alive():
                running.start(mortal=running.kills.total() < kills)
            answer = post(running, number, rows)
            if answer is None:
                repeated += 1
                time.sleep(0.02)  # The door is closed; there is nothing to wait on but its opening.
        good = sum(row["status"] != 999 for row in rows)
        if (answer["accepted"], answer["quarantined"]) != (good, len(rows) - good):
            failures.append(f"request {number}: {answer} instead of {good} accepted")
        sent += [row for row in rows if row["status"] != 999]
        number += 1
    if not running.alive():
        running.start(mortal=False)
        while post(running, number - 1, rows) is None:  # The last request once more: the door is open when it is answered.
            time.sleep(0.02)
    running.stop()
    engine.run(project, scratch / "state")
    by_status = Counter(row["status"] for row in sent)
    windows = Counter((row["path"], (datetime.fromisoformat(str(row["ts"])) - START) // timedelta(seconds=10)) for row in sent)
    wanted = {
        "by_status": list(by_status.items()),
        "errors_per_10s": [(path, START + ten * timedelta(seconds=10), count) for (path, ten), count in windows.items()],
    }
    columns = {"by_status": "status, requests", "errors_per_10s": "path, window_start, requests"}
    for view, rows_wanted in wanted.items():
        difference = engine.difference(engine.query(project, scratch / "state", f"SELECT {columns[view]} FROM {view}"), rows_wanted)
        if difference:
            failures.append(f"{view}: {difference}")
    print(f"{'killed at':<32} {'times':>6}")
    for kind, times in sorted(running.kills.items()):
        print(f"{kind:<32} {times:>6}")
    print(f"{number} requests with {len(sent)} sound records; {repeated} attempts without an answer")
    for failure in failures[:20]:
        print(failure)
    print(f"{number + len(wanted) - len(failures)} passed, {len(failures)} failed")
    return len(failures)


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Kills the engine while a client posts through its door, and counts in the end.")
    parser.add_argument("--short", action="store_true", help="12 kills")
    parser.add_argument("--kills", type=int, help="how often to kill (default: 40; 12 with --short)")
    parser.add_argument("--seed", type=int, default=1, help="another seed kills at other moments (default: 1)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        return 1 if campaign(Path(scratch), given.kills or (12 if given.short else 40), given.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
