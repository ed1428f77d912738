"""The templates of `headrace init`: each one's tests pass, and each one that reads files runs to its end and gives what batch gives."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import engine
import oracle_demo
import pytest

TEMPLATES = engine.ROOT / "examples" / "templates"
NAMES = sorted(folder.name for folder in TEMPLATES.iterdir())


def copied(name: str, tmp_path: Path) -> Path:
    """Gives a fresh copy, as `headrace init` would make it."""
    return Path(shutil.copytree(TEMPLATES / name, tmp_path / name))


@pytest.mark.parametrize("file", sorted(TEMPLATES.glob("*/tests/*.slt")), ids=lambda file: f"{file.parts[-3]}/{file.name}")
def test_golden(binary: Path, file: Path) -> None:
    done = subprocess.run([binary, "test", str(file)], env=engine.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_python_tests_of_fraud() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TEMPLATES / "fraud" / "tests")]
    done = subprocess.run(command, env=engine.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_init_gives_a_project_that_checks(binary: Path, tmp_path: Path, name: str) -> None:
    for command in (["init", name, str(tmp_path / "mine")], ["check", str(tmp_path / "mine")]):
        done = subprocess.run([binary, *command], env=engine.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for file in (TEMPLATES / name).rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            assert (tmp_path / "mine" / file.relative_to(TEMPLATES / name)).read_bytes() == file.read_bytes()


def sink_rows(file: Path) -> list[engine.Row]:
    """Reads what a file sink wrote."""
    return [tuple(json.loads(line).values()) for line in file.open()]


def test_minimal_equals_batch(binary: Path, tmp_path: Path) -> None:
    project = copied("minimal", tmp_path)
    wanted = duckdb.sql(f"""
        SELECT sensor, date_trunc('minute', ts), count(*), avg(value), max(value)
        FROM read_json('{project}/data/readings.ndjson', format = 'newline_delimited',
                       columns = {{'ts': 'TIMESTAMP', 'sensor': 'VARCHAR', 'value': 'INTEGER'}}) GROUP BY 1, 2""").fetchall()
    for _ in range(2):
        engine.run(project, tmp_path / "state", shards=2)
        assert engine.difference(sink_rows(project / "out" / "per_minute.ndjson"), wanted) == ""


def test_fraud_equals_batch(binary: Path, tmp_path: Path) -> None:
    project = copied("fraud", tmp_path)
    risk = oracle_demo.load_function("risk", project / "functions" / "risk.py")
    habits = duckdb.sql(f"""
        SELECT card, s, s + INTERVAL 10 MINUTE, count(*), count(DISTINCT country), sum(amount)
        FROM (SELECT *, unnest([time_bucket(INTERVAL 5 MINUTE, ts), time_bucket(INTERVAL 5 MINUTE, ts) - INTERVAL 5 MINUTE]) AS s
              FROM read_json('{project}/data/tx.ndjson', format = 'newline_delimited', columns =
                             {{'ts': 'TIMESTAMP', 'card': 'VARCHAR', 'amount': 'DECIMAL(12, 2)', 'country': 'VARCHAR'}})
              WHERE amount > 0) GROUP BY 1, 2""").fetchall()
    scored = [(*row, risk(row[3], row[4], float(row[5]))) for row in habits]
    wanted = [row for row in scored if row[-1] >= 0.5]
    assert {row[0] for row in wanted} == {"c3", "c5"}
    engine.run(project, tmp_path / "state", shards=2)
    assert engine.difference(sink_rows(project / "out" / "risky.ndjson"), wanted) == ""
