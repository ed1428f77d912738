"""A project that goes over to other versions of itself, and what its views must show: batch DuckDB over what was read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
from running_engine import BINARY, ROOT

COLUMNS = {"id": "BIGINT", "ts": "TIMESTAMP", "who": "VARCHAR", "amount": "BIGINT", "note": "VARCHAR"}


def environment(**more: str) -> dict[str, str]:
    """Gives the variables of a run; HEADRACE_CRASH among `more` ends it at a crash point."""
    out = {**os.environ, "PYTHONPATH": str(ROOT / "python"), **more}
    out.setdefault("HEADRACE_PYTHON", sys.executable)
    return out


def record(number: int) -> dict[str, Any]:
    """Gives the record of that number: times grow by a tenth of a second, with a little disorder."""
    ms = number * 100 + (700 if number % 7 == 3 else 0)
    return {
        "id": number,
        "ts": f"2026-01-01 {ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}",
        "who": "abcde"[number * number % 5],
        "amount": number * 37 % 101,
        "note": f"note {number % 3}",
    }


class Changing:
    """A project directory with its state, and the files that it reads."""

    def __init__(self, folder: Path) -> None:
        self.project, self.state = folder / "project", folder / "state"
        self.project.mkdir(parents=True)
        (self.project / "headrace.toml").write_text('name = "changing"\n[engine]\ncheckpoint_interval_ms = 50\n')

    def write(self, files: dict[str, str]) -> None:
        """Makes the project hold just these files, beside its data."""
        for old in [*self.project.glob("sql/*"), *self.project.glob("functions/*.py"), *self.project.glob("contracts/*")]:
            old.unlink()
        for name, text in files.items():
            path = self.project / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def append(self, name: str, first: int, count: int) -> None:
        """Appends records to a file that is followed."""
        with (self.project / name).open("a") as file:
            file.writelines(json.dumps(record(number)) + "\n" for number in range(first, first + count))

    def command(self, *words: str, crash: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command over project and state."""
        more = {"HEADRACE_CRASH": crash} if crash else {}
        line = [str(BINARY), words[0], str(self.project), "--state", str(self.state), *words[1:]]
        return subprocess.run(line, env=environment(**more), capture_output=True, text=True, check=False)

    def run_to_end(self) -> str:
        """Reads all that is there."""
        done = self.command("run", "--until-end", "--shards", "2", "--no-listen")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def plan(self) -> dict[str, Any]:
        """Says what the next apply does."""
        done = self.command("plan", "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def fates(self) -> dict[str, str]:
        """Gives the fate of each node with state, source and sink."""
        plan = self.plan()
        out = {f"{node['kind']} {node['name']}": str(node["fate"]) for node in plan["nodes"] if node["state"]}
        return out | {f"{kind} {one['name']}": str(one["fate"]) for kind in ("source", "sink") for one in plan[kind + "s"]}

    def apply(self, *words: str, crash: str = "") -> subprocess.CompletedProcess[str]:
        """Goes over to the project's version."""
        return self.command("apply", *words, crash=crash)

    def query(self, sql: str) -> Counter[tuple[Any, ...]]:
        """Asks the last durable state."""
        line = [str(BINARY), "query", str(self.project), "--state", str(self.state), sql]
        done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Counter(tuple(row) for row in json.loads(done.stdout)["rows"])

    def manifest(self) -> dict[str, Any]:
        """Gives the last checkpoint."""
        return dict(json.loads((self.state / "checkpoint.json").read_text()))

    def has_committed(self) -> bool:
        """Says whether all sinks have what the last checkpoint prepared."""
        noted = self.state / "commits"
        return noted.exists() and int(noted.read_text()) == self.manifest()["epoch"]

    def records_read(self, source: str = "tx") -> int:
        """Says how many records of a source the last checkpoint has."""
        if not (self.state / "checkpoint.json").exists():
            return 0
        return int(self.manifest()["sources"].get(source, {"read": 0})["read"])

    def oracle(self, sql: str, **tables: tuple[str, int]) -> Counter[tuple[Any, ...]]:
        """Asks DuckDB over the first records of files: `tx=("tx.ndjson", 100)`."""
        connection = duckdb.connect()
        for name, (file, records) in tables.items():
            lines = (self.project / file).read_text().splitlines()[:records] if (self.project / file).exists() else []
            columns = ", ".join(f"json_extract_string(line, '$.{column}')::{type_} AS {column}" for column, type_ in COLUMNS.items())
            connection.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM (SELECT unnest($1::VARCHAR[]) AS line)", [lines])
        return Counter(tuple(plain(value) for value in row) for row in connection.execute(sql).fetchall())

    def sink_lines(self, name: str) -> Counter[str]:
        """Gives the lines that a sink has committed."""
        path = self.project / name
        return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def plain(value: Any) -> Any:
    """Turns a value of DuckDB into what the engine's JSON holds."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
