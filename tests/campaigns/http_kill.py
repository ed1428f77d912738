"""Eight clients send rows with retries and idempotency keys while the engine is killed again and again: each acknowledged row is there
exactly once, and no other row is.

    python tests/campaigns/http_kill.py [--short] [--rows 1000000] [--kills 20] [--seed 1]

A kill falls at a random moment while requests are under way. A client repeats a request with its key until it is answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import running_engine
from running_engine import RunningEngine

CLIENTS = 8
ROWS_PER_REQUEST = 250

SQL = """
CREATE SOURCE tx (id BIGINT, client INTEGER) WITH (connector = 'http', lag_bytes_max = '1073741824');
CREATE MATERIALIZED VIEW per_row AS SELECT id, count(*) AS times FROM tx GROUP BY id;
"""


class Client(threading.Thread):
    """Sends its rows, request by request; what it was told stands in `acknowledged` and `positions`."""

    def __init__(self, engine: RunningEngine, number: int, rows: int) -> None:
        super().__init__(daemon=True)
        self.engine, self.number, self.rows = engine, number, rows
        self.acknowledged = self.attempts_lost = self.repeated = 0
        self.failure = ""
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        for start in range(0, self.rows, ROWS_PER_REQUEST):
            end = min(start + ROWS_PER_REQUEST, self.rows)
            body = "".join(f'{{"id":{self.number * 1_000_000_000 + i},"client":{self.number}}}\n' for i in range(start, end)).encode()
            answer = self.send(body, f"{self.number}:{start}")
            if self.failure:
                return
            if answer["accepted"] != end - start or answer["quarantined"] != 0:
                self.failure = f"client {self.number}, rows {start} to {end}: {answer}"
                return
            self.acknowledged += end - start
            self.repeated += answer["repeated"]

    def send(self, body: bytes, key: str) -> dict[str, int]:
        """Sends until it is answered."""
        while True:
            try:
                if self.connection is None:
                    port = int(self.engine.url.rpartition(":")[2])
                    self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
                self.connection.request("POST", "/v1/sources/tx", body, headers)
                answer = self.connection.getresponse()
                content = answer.read()
                if answer.status == 200:
                    return dict(json.loads(content))
                if answer.status not in (429, 503):
                    self.failure = f"client {self.number}: {answer.status} {content.decode(errors='replace')}"
                    return {}
                if answer.getheader("Connection") == "close":
                    self.connection = None
            except (OSError, http.client.HTTPException, ValueError):
                self.connection = None
            self.attempts_lost += 1
            time.sleep(0.02)  # The engine is down or full: there is nothing to wait on but its return.


def campaign(scratch: Path, rows: int, kills: int, seed: int) -> int:
    """Gives the number of failures."""
    random = Random(seed)
    project = running_engine.write_project(scratch / "project", SQL)
    began = time.monotonic()
    with RunningEngine(project, scratch / "state") as engine:
        clients = [Client(engine, number, rows // CLIENTS) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        kills_done = 0
        while kills_done < kills:
            # Spread over the whole of the work, each at a random moment of its part.
            wanted = sum(client.rows for client in clients) * (kills_done + random.random()) / kills
            while sum(client.acknowledged for client in clients) < wanted and any(client.is_alive() for client in clients):
                time.sleep(0.001)
            time.sleep(random.random() * 0.05)
            engine.kill()
            engine.start()
            kills_done += 1
        for client in clients:
            client.join()
        acknowledged = sum(client.acknowledged for client in clients)
        failures = [client.failure for client in clients if client.failure]
        sent_s = time.monotonic() - began
        try:
            engine.wait_for("SELECT count(*), sum(times) FROM per_row", [[acknowledged, acknowledged]])
        except AssertionError as error:
            failures.append(str(error))
        twice = engine.sql("SELECT id, times FROM per_row WHERE times <> 1 LIMIT 5")
        per_client = engine.sql(
            "SELECT id // 1000000000 AS client, count(*), min(id % 1000000000), max(id % 1000000000) FROM per_row GROUP BY ALL ORDER BY 1"
        )
        if twice:
            failures.append(f"not exactly once: {twice}")
        if per_client != [[client.number, client.rows, 0, client.rows - 1] for client in clients]:
            failures.append(f"rows per client: {per_client}")
        books = json.loads(engine.request("GET", "/v1/status")[1])["sources"][0]
        if books["records_read"] != acknowledged or books["records_accepted"] != acknowledged:
            failures.append(f"the books say {books}")
    lost = sum(client.attempts_lost for client in clients)
    repeated = sum(client.repeated for client in clients)
    print(
        f"{acknowledged} rows acknowledged to {CLIENTS} clients in {sent_s:.0f} s over {kills_done} kills; "
        f"{lost} attempts without an answer, {repeated} of them had landed"
    )
    for failure in failures:
        print(failure)
    print(f"{4 + CLIENTS - len(failures)} passed, {len(failures)} failed")
    return len(failures)


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--short", action="store_true", help="40,000 rows, 4 kills")
    parser.add_argument("--rows", type=int, help="how many rows (default: 1,000,000)")
    parser.add_argument("--kills", type=int, help="how often to kill (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="another seed kills at other moments (default: 1)")
    given = parser.parse_args()
    rows = given.rows or (40_000 if given.short else 1_000_000)
    kills = given.kills or (4 if given.short else 20)
    with tempfile.TemporaryDirectory() as scratch:
        return 1 if campaign(Path(scratch), rows, kills, given.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
