"""`python -m headrace.worker describe | serve`: started by the engine, useful by hand for the first."""

from __future__ import annotations

import argparse
import pathlib
import sys

from headrace.worker import describe, parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m headrace.worker")
    commands = parser.add_subparsers(dest="command", required=True)
    describing = commands.add_parser("describe", help="print the project's functions as JSON")
    describing.add_argument("--project", required=True, type=pathlib.Path)
    describing.add_argument("--only", nargs="+", default=[], metavar="FILE", help="these files, by this interpreter")
    serving = commands.add_parser("serve", help="fork workers as descriptor 3 says; started by the engine only")
    serving.add_argument("--project", required=True, type=pathlib.Path)
    serving.add_argument("--library", required=True, help="path of libheadrace_worker.so")
    options = parser.parse_args()
    project = options.project.resolve()
    if options.command == "describe":
        describe.main(project, options.only)
    return parent.main(project, options.library)


sys.exit(main())
