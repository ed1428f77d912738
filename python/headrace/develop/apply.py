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
    outcome = go_over(door, allow_loss=options.allow_loss)
    print(outcome["error"] if outcome["state"] == "failed" else outcome["text"], end="")
    return 1 if outcome["state"] == "failed" else 0


def go_over(door: Door, *, allow_loss: bool) -> dict[str, Any]:
    """Lets an engine go over to its project as it is now, and asks what became of it until it serves again; it answers 503 meanwhile.

    Raises:
        HeadraceError: the project is wrong, or state would be lost.
        ConnectionError: it is gone.
    """
    door.request("POST", f"/v1/apply?allow_loss={int(allow_loss)}", b"", repeatable=False)
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
