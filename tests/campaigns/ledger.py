"""A ledger read while it is written: several views of one input, asked in one SQL, always agree, and the total is constant.

    python tests/campaigns/ledger.py [--short] [--reads 1000000] [--readers 2] [--seed 1]

Transfers between accounts come over HTTP while readers ask for balances, total and volume in one statement. In every answer the balances
add up to the total, the total is what was there at first, and each transfer is in two balances or in none. The engine is killed
once, half way.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import running_engine
from running_engine import RunningEngine

ACCOUNTS = 200
TICKS_MIN = 10
"""How many changes each reader sees at least, however fast it reads."""
FIRST_BALANCE = 1000
SQL = """
CREATE SOURCE transfers (id BIGINT, from_account INTEGER, to_account INTEGER, amount BIGINT)
WITH (connector = 'http', lag_bytes_max = '1073741824');
CREATE VIEW movements AS
SELECT from_account AS account, -amount AS amount FROM transfers WHERE from_account <> 0
UNION ALL SELECT to_account AS account, amount FROM transfers;
CREATE MATERIALIZED VIEW balances AS SELECT account, sum(amount) AS balance, count(*) AS movements FROM movements GROUP BY account;
CREATE MATERIALIZED VIEW total AS SELECT sum(balance) AS total, sum(movements) AS movements, count(*) AS accounts FROM balances;
CREATE MATERIALIZED VIEW volume AS SELECT count(*) AS transfers, sum(amount) AS moved FROM transfers WHERE from_account <> 0;
"""
QUESTION = """
SELECT balances.total, total.total, balances.movements, total.movements, balances.accounts, total.accounts, volume.transfers
FROM (SELECT sum(balance) AS total, sum(movements) AS movements, count(*) AS accounts FROM balances) AS balances, total, volume
"""


def wrong(answer: list[int]) -> str:
    """Says what does not agree in one answer; "" = all does."""
    balances, total, movements, counted, accounts, counted_accounts, transfers = (int(number or 0) for number in answer)
    if (balances, movements, accounts) != (total, counted, counted_accounts):
        return f"balances say {(balances, movements, accounts)}, the total says {(total, counted, counted_accounts)}"
    if total != ACCOUNTS * FIRST_BALANCE:
        return f"the total is {total}"
    if movements != ACCOUNTS + 2 * transfers:
        return f"{transfers} transfers, {movements} movements"
    return ""


class Writer(threading.Thread):
    """Sends transfers, with keys, until it is stopped."""

    def __init__(self, url: str, number: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.url, self.number, self.random = url, number, Random(f"{seed} {number}")
        self.stopping = threading.Event()
        self.acknowledged = 0
        self.failure = ""

    def batches(self) -> Iterator[list[dict[str, int]]]:
        while True:
            yield [
                {
                    "id": self.random.randrange(2**40),
                    "from_account": self.random.randint(1, ACCOUNTS),
                    "to_account": self.random.randint(1, ACCOUNTS),
                    "amount": self.random.randint(1, 500),
                }
                for _ in range(self.random.choice([1, 3, 20, 100]))
            ]

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        for number, rows in enumerate(self.batches()):
            body = "".join(json.dumps(row) + "\n" for row in rows).encode()
            headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"{self.number}:{number}"}
            while not self.stopping.is_set():
                try:
                    connection = connection or connect(self.url)
                    connection.request("POST", "/v1/sources/transfers", body, headers)
                    answer = connection.getresponse()
                    content = answer.read()
                    if answer.status == 200:
                        self.acknowledged += len(rows)
                        break
                    if answer.status not in (429, 503):
                        self.failure = f"writer {self.number}: {answer.status} {content.decode(errors='replace')}"
                        return
                except (OSError, http.client.HTTPException):
                    connection = None
                time.sleep(0.02)  # The engine is down or full: there is nothing to wait on but its return.
            if self.stopping.wait(0.005):  # So that the readers get their part of the machine.
                return


def connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]), timeout=30)


def read(url: str, reads: int, done: Synchronized[int], found: multiprocessing.Queue[str]) -> None:
    """Reads, and reports how it ended: each reader is waited for."""
    try:
        found.put(reading(url, reads, done))
    except Exception:
        found.put(traceback.format_exc())


def reading(url: str, reads: int, done: Synchronized[int]) -> str:
    """Asks so many times; gives the first answer that does not agree, or how many ticks it saw."""
    connection: http.client.HTTPConnection | None = None
    body = json.dumps({"sql": QUESTION}).encode()
    ticks, last = 0, None
    while reads > 0 or ticks < TICKS_MIN:
        try:
            connection = connection or connect(url)
            connection.request("POST", "/v1/sql", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            connection = None
            time.sleep(0.02)  # The engine was killed: there is nothing to wait on but its return.
            continue
        if answer.status != 200:
            if answer.status in (429, 503):
                continue
            return f"{answer.status} {content}"
        ticks += content["tick"] != last
        last = content["tick"]
        if why := wrong(content["rows"][0]):
            return f"tick {last}: {why}"
        reads -= 1
        with done.get_lock():
            done.value += 1
    return f"ticks {ticks}"


def campaign(scratch: Path, reads: int, readers: int, seed: int) -> int:
    """Gives the number of failures."""
    project = running_engine.write_project(scratch / "project", SQL)
    done: Synchronized[int] = multiprocessing.Value("q", 0)
    found: multiprocessing.Queue[str] = multiprocessing.Queue()
    with RunningEngine(project, scratch / "state", shards=3) as engine:
        first = [{"id": n, "from_account": 0, "to_account": n, "amount": FIRST_BALANCE} for n in range(1, ACCOUNTS + 1)]
        engine.post_rows("transfers", first)
        engine.wait_for("SELECT accounts FROM total", [[ACCOUNTS]])
        writers = [Writer(engine.url, number, seed) for number in range(2)]
        processes = [multiprocessing.Process(target=read, args=(engine.url, reads // readers, done, found)) for _ in range(readers)]
        began = time.monotonic()
        for part in [*writers, *processes]:
            part.start()
        while done.value < reads // 2 and all(process.is_alive() for process in processes):
            time.sleep(0.05)
        engine.kill()
        engine.start()
        reports = [found.get() for _ in processes]
        read_s = time.monotonic() - began
        for process in processes:
            process.join()
        for writer in writers:
            writer.stopping.set()
            writer.join()
    failures = [report for report in reports if not report.startswith("ticks ")] + [w.failure for w in writers if w.failure]
    ticks = sum(int(report.split()[1]) for report in reports if report.startswith("ticks "))
    sent = sum(writer.acknowledged for writer in writers)
    print(f"{done.value} reads of three views in {read_s:.0f} s, over {ticks} changes of the tick; {sent} transfers; one kill")
    for failure in failures:
        print(failure)
    print(f"{max(2 - len(failures), 0)} passed, {len(failures)} failed")
    return len(failures)


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Reads a ledger while it is written; every answer must agree with itself.")
    parser.add_argument("--short", action="store_true", help="3,000 reads")
    parser.add_argument("--reads", type=int, help="how many reads (default: 1,000,000)")
    parser.add_argument("--readers", type=int, default=2, help="processes that read (default: 2)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other transfers (default: 1)")
    given = parser.parse_args()
    reads = given.reads or (3_000 if given.short else 1_000_000)
    with tempfile.TemporaryDirectory() as scratch:
        return 1 if campaign(Path(scratch), reads, given.readers, given.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
