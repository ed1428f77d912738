"""`headrace apply` where an engine runs: asks it to go over to the project as it is now, and waits until it has."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from headrace.door import Door
from headrace.errors import Stopping
from headrace.repair.options import add_engine, run

ASK_EVERY_S = 0.1


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="headrace apply", description=__doc__)
    add_engine(parser)
    parser.add_argument("--allow-loss", action="store_true", help="let state begin empty that cannot be built from the sources' past")
    options = parser.parse_args(words)
    door = Door(options.url, token=options.token, timeout_ms=120_000)
    door.request("POST", f"/v1/apply?allow_loss={int(options.allow_loss)}", b"", repeatable=False)
    outcome = wait(door)
    print(outcome["error"] if outcome["state"] == "failed" else outcome["text"], end="")
    return 1 if outcome["state"] == "failed" else 0


def wait(door: Door) -> dict[str, Any]:
    """Asks until the engine serves again; it answers 503 meanwhile.

    Raises:
        HeadraceError: it refuses to say.
        ConnectionError: it is gone.
    """
    while True:
        try:
            outcome: dict[str, Any] = door.request("GET", "/v1/apply").json()
        except Stopping:
            pass
        else:
            if outcome["state"] != "running":
                return outcome
        time.sleep(ASK_EVERY_S)


if __name__ == "__main__":
    sys.exit(run(main))
