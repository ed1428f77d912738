"""The demo's data and its oracle, without the engine: what is prepared, what the contract refuses, and that scores are exact."""

from __future__ import annotations

import filecmp
import tomllib
from pathlib import Path

import duckdb
import engine
import oracle_demo
import pyarrow as pa
from headrace.demo import prepare


def test_preparing_is_deterministic(demo_data: Path, tmp_path: Path) -> None:
    prepare.prepare(tmp_path)
    names = ["departures.csv", "weather.csv", "planes.csv", "airlines.csv"]
    assert filecmp.cmpfiles(demo_data, tmp_path, names, shallow=False) == (names, [], [])


def test_a_prepared_folder_is_left_alone(tmp_path: Path) -> None:
    prepare.prepare(tmp_path, days=1)
    before = (tmp_path / "departures.csv").stat().st_mtime_ns
    prepare.prepare(tmp_path, days=1)
    assert (tmp_path / "departures.csv").stat().st_mtime_ns == before
    prepare.prepare(tmp_path, days=2)
    assert (tmp_path / "departures.csv").stat().st_mtime_ns > before


def test_departures_come_in_order(demo_data: Path) -> None:
    times = [line.partition(",")[0] for line in (demo_data / "departures.csv").read_text().splitlines()[1:]]
    assert len(times) == 336_776
    assert times == sorted(times)


def test_the_contract_refuses_exactly_the_broken(demo_data: Path) -> None:
    """The contract's own conditions, evaluated by DuckDB, refuse the 12 records that the oracle leaves out."""
    contract = tomllib.loads((oracle_demo.PROJECT / "contracts" / "departures.toml").read_text())
    db = oracle_demo.load(demo_data)
    refusing = [rule["check"] for rule in contract["expect"] if rule.get("action", "quarantine") == "quarantine"]
    counts = [db.sql(f"SELECT count(*) FROM arrived WHERE NOT ({check})").fetchall()[0][0] for check in refusing]
    assert counts == [0, 4, 1, 3, 4]
    refused = " OR ".join(f"NOT ({check})" for check in refusing)
    assert engine.difference(db.sql(f"FROM arrived WHERE {refused}").fetchall(), db.sql("FROM broken").fetchall()) == ""


def test_scores_do_not_depend_on_the_cut(demo_data: Path) -> None:
    """Row by row and all at once, bit for bit."""
    anomaly_score = oracle_demo.load_function("anomaly_score", oracle_demo.PROJECT / "functions" / "anomaly.py")
    columns = (
        duckdb.sql(f"""
        SELECT dep_delay::BIGINT, carrier, local_hour::BIGINT, distance::BIGINT, (distance % 40)::DOUBLE, (flight % 11)::DOUBLE,
               (flight % 3) / 10, (flight % 30)::BIGINT
        FROM read_csv('{demo_data}/departures.csv') WHERE dep_delay IS NOT NULL LIMIT 3000""")
        .to_arrow_table()
        .combine_chunks()
    )
    whole = anomaly_score(*(column.chunk(0) for column in columns.columns))
    single = [anomaly_score(*(column.chunk(0).slice(place, 1) for column in columns.columns)) for place in range(0, 3000, 7)]
    assert pa.concat_arrays(single).to_pylist() == whole.to_pylist()[::7]
    assert max(whole.to_pylist()) > 3
