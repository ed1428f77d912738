"""What the commands that talk to a running engine have in common."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from headrace.errors import HeadraceError


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which engine is meant."""
    parser.add_argument("--url", default="http://localhost:8480", help="the engine's address (default %(default)s)")
    parser.add_argument("--token", default=os.environ.get("HEADRACE_TOKEN"), help="bearer token (default: HEADRACE_TOKEN)")


def run(main: Callable[[list[str]], int]) -> int:
    """Runs a command on the words of the command line; gives its exit code, with errors told as they tell themselves."""
    try:
        return main(sys.argv[1:])
    except BrokenPipeError:  # `| head` has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except (ConnectionError, HeadraceError) as failure:
        print(failure, file=sys.stderr)
        return 1
