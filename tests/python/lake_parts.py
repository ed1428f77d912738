"""What the lake's tests share: Parquet files with statistics as the engine writes them, and commits with an identity."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import duckdb
from headrace.lake.commits import Marker
from headrace.lake.steward import Steward

Json = dict[str, Any]
COLUMNS: list[Json] = [{"name": "k", "type": "long"}, {"name": "v", "type": "string"}]


def ask(steward: Steward, **request: Any) -> Json:
    """Asks the steward; an error fails the test."""
    answer = steward.answer(request)
    assert "error" not in answer, answer
    return answer["answer"]


def write_file(path: Path, keys: list[int], fields: list[Json]) -> Json:
    """Writes rows (k, v) and gives what the engine would tell the steward of the file."""
    ids = {field["name"]: field["id"] for field in fields}
    path.parent.mkdir(parents=True, exist_ok=True)
    values = ", ".join(f"({key}, 'v{key}')" for key in keys)
    _, rows, size, *_ = (
        duckdb.connect()
        .execute(
            f"""COPY (SELECT k::BIGINT AS k, v FROM (VALUES {values}) t(k, v)) TO '{path}'
            (FORMAT parquet, CODEC zstd, FIELD_IDS {{k: {ids["k"]}, v: {ids["v"]}}}, RETURN_STATS)"""
        )
        .fetchall()[0]
    )
    return {
        "path": str(path),
        "rows": rows,
        "bytes": size,
        "partition": [],
        "columns": {str(ids["k"]): {"bytes": 1, "values": rows, "nulls": 0, "min": str(min(keys)), "max": str(max(keys))}},
    }


class Writer:
    """One pipeline's sink, as the engine drives it: what is prepared, and the marker that it follows."""

    def __init__(self, steward: Steward, table: str = "lake.t", lineage: str = "l1", sink: str = "s", generation: int = 1) -> None:
        self.steward, self.table, self.lineage, self.sink, self.generation = steward, table, lineage, sink, generation
        self.opened = ask(steward, do="open", table=table, columns=COLUMNS, partition=[], lineage=lineage, sink=sink)
        self.predecessor: Json | None = self.opened["marker"]

    def prepare(self, epoch: int, keys: list[int]) -> Json:
        name = f"{self.lineage}-{self.sink}-g{self.generation}-e{epoch}-0.parquet"
        file = write_file(Path(self.opened["folder"]) / name, keys, self.opened["fields"])
        content = hashlib.sha256(repr(file).encode()).hexdigest()[:16]
        return {
            "do": "commit",
            "table": self.table,
            "lineage": self.lineage,
            "sink": self.sink,
            "files": [file],
            "own": {"generation": self.generation, "epoch": epoch, "content": content},
            "predecessor": self.predecessor,
        }

    def commit(self, request: Json) -> Json:
        outcome = ask(self.steward, **request)
        if outcome["result"] == "committed":
            self.predecessor = request["own"]
        return outcome


def rows(steward: Steward, table: str = "lake.t") -> list[int]:
    """The keys that DuckDB reads from the snapshot's files, sorted."""
    files = ask(steward, do="files", table=table)["files"]
    return [key for (key,) in duckdb.connect().execute("SELECT k FROM read_parquet(?) ORDER BY k", [files]).fetchall()] if files else []


def marker(steward: Steward, lineage: str = "l1", sink: str = "s", table: str = "lake.t") -> Marker | None:
    found = ask(steward, do="marker", table=table, lineage=lineage, sink=sink)["marker"]
    return Marker(**found) if found else None
