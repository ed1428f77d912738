"""`python -m headrace.lake.steward WAREHOUSE`: the engine's child that commits its files to Iceberg tables.

It reads one request a line on descriptor 3 and writes one answer a line, {"answer": ...} or {"error": {"code", "message", "remedy"}}. It
keeps nothing: what it knows stands in the catalog, so the engine may kill and start it at any time.
"""

from __future__ import annotations

import argparse
import json
import logging
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from headrace.lake.catalog import open_catalog
from headrace.lake.commits import Marker, commit, read_marker
from headrace.lake.durable_files import local_path
from headrace.lake.refusal import Refusal
from headrace.lake.tables import field_ids, open_table

Json = dict[str, Any]

CHANNEL = 3


class Steward:
    """Answers requests about the tables of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.planned: dict[str, tuple[str, list[str]]] = {}  # Table -> metadata location and the files that it names.
        self.requests: dict[str, Callable[[Json], Json]] = {
            "open": self.open,
            "marker": self.marker,
            "commit": self.commit,
            "files": self.files,
            "tables": self.tables,
        }

    def answer(self, request: Json) -> Json:
        """Answers one request; an error is an answer, too."""
        try:
            return {"answer": self.requests[request["do"]](request)}
        except Refusal as refusal:
            return {"error": {"code": refusal.code, "message": refusal.message, "remedy": refusal.remedy}}
        except NoSuchTableError:
            return {"error": {"code": "unknown_relation", "message": f"the lake has no table {request.get('table')}", "remedy": ""}}
        except Exception as error:
            return {"error": {"code": "sink_unavailable", "message": f"{type(error).__name__}: {error}", "remedy": ""}}

    def open(self, request: Json) -> Json:
        """Creates or loads a table; tells where its files go, its field ids and the pipeline's marker."""
        table = open_table(self.catalog, request["table"], request["columns"], request["partition"])
        marker = read_marker(table, request["lineage"], request["sink"])
        return {
            "folder": local_path(table.location()) + "/data",
            "fields": [{"name": field.name, **field_ids(field.field_id, field.field_type)} for field in table.schema().fields],
            "marker": asdict(marker) if marker else None,
        }

    def marker(self, request: Json) -> Json:
        """Tells what a sink last committed."""
        marker = read_marker(self.catalog.load_table(request["table"]), request["lineage"], request["sink"])
        return {"marker": asdict(marker) if marker else None}

    def commit(self, request: Json) -> Json:
        """Makes files visible, exactly once."""
        predecessor = request["predecessor"]
        outcome = commit(
            self.catalog,
            request["table"],
            request["lineage"],
            request["sink"],
            Marker(**request["own"]),
            Marker(**predecessor) if predecessor else None,
            request["files"],
        )
        return asdict(outcome)

    def files(self, request: Json) -> Json:
        """Tells the data files of a table's newest snapshot, in the order of their names."""
        table = self.catalog.load_table(request["table"])
        metadata, files = self.planned.get(request["table"], ("", []))
        if metadata != table.metadata_location:
            tasks = list(table.scan().plan_files())
            if any(task.delete_files for task in tasks):
                raise Refusal(
                    "unsupported_sql",
                    f"another program has deleted rows of {request['table']}; its files alone do not say which",
                    "query it with a program that reads Iceberg's delete files",
                )
            files = sorted(local_path(task.file.file_path) for task in tasks)
            self.planned[request["table"]] = (table.metadata_location, files)
        return {"files": files, "metadata": local_path(table.metadata_location)}

    def tables(self, request: Json) -> Json:
        """Tells the names of all tables."""
        names = [".".join(name) for namespace in self.catalog.list_namespaces() for name in self.catalog.list_tables(namespace)]
        return {"tables": sorted(names)}


def serve(steward: Steward, channel: socket.socket) -> None:
    """Answers until the engine closes its end."""
    with channel.makefile("rwb") as lines:
        for line in lines:
            lines.write(json.dumps(steward.answer(json.loads(line))).encode() + b"\n")
            lines.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m headrace.lake.steward", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("warehouse", help="the local folder of the tables and their catalog")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    serve(Steward(open_catalog(options.warehouse)), socket.socket(fileno=CHANNEL))
    return 0


if __name__ == "__main__":
    sys.exit(main())
