"""`python -m headrace.shell URL`, which is `headrace sql URL`."""

from __future__ import annotations

import argparse
import os
import sys

from headrace.client import connect
from headrace.errors import HeadraceError
from headrace.shell.render import Style
from headrace.shell.session import Session
from headrace.shell.statements import is_blank, split_statements


def main() -> int:
    parser = argparse.ArgumentParser(prog="headrace sql", description="Asks a running engine in SQL.")
    parser.add_argument("url", nargs="?", default="http://localhost:8480", help="the engine's address (default %(default)s)")
    parser.add_argument("-c", "--command", metavar="SQL", help="run these statements and leave")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", help="of the answers (default %(default)s)")
    parser.add_argument("--token", default=os.environ.get("HEADRACE_TOKEN"), help="bearer token (default: HEADRACE_TOKEN)")
    options = parser.parse_args()
    interactive = options.command is None and sys.stdin.isatty() and sys.stdout.isatty()
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    try:
        engine = connect(options.url, token=options.token)
    except HeadraceError as failure:
        print(failure, file=sys.stderr)
        return 2
    with engine:
        session = Session(engine, options.format, Style(colour), sys.stdout.write, sys.stderr.write, interactive=interactive)
        if interactive:
            from headrace.shell.prompt import converse

            converse(engine, session, options.url, colour=colour)
            return 0
        statements, rest = split_statements(options.command if options.command is not None else sys.stdin.read())
        for statement in [*statements, rest]:
            if not is_blank(statement) and not session.left:
                session.run(statement)
                if session.failed:
                    return 1
        return 0


if __name__ == "__main__":
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
