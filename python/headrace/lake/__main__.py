"""`python -m headrace.lake ls | files`: looks at the embedded lake by hand."""

from __future__ import annotations

import argparse
import sys

from headrace.lake.catalog import open_catalog
from headrace.lake.steward import Steward


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m headrace.lake")
    parser.add_argument("--warehouse", default=".headrace/lake", help="folder of the tables (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ls", help="print the tables")
    files = commands.add_parser("files", help="print the data files of a table's newest snapshot")
    files.add_argument("table", help="such as lake.per_minute")
    options = parser.parse_args()
    request = {"do": "tables"} if options.command == "ls" else {"do": "files", "table": options.table}
    answer = Steward(open_catalog(options.warehouse)).answer(request)
    if "error" in answer:
        print(answer["error"]["message"], file=sys.stderr)
        return 1
    print(*answer["answer"]["tables" if options.command == "ls" else "files"], sep="\n")
    return 0


sys.exit(main())
