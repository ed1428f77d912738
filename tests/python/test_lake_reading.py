"""What the lake writes is read alike by PyIceberg, DuckDB's Parquet reader and DuckDB's Iceberg extension."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from headrace.lake.catalog import catalog_uri, open_catalog
from headrace.lake.steward import Steward
from lake_parts import Writer, ask
from pyiceberg.catalog.sql import SqlCatalog


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A table of three commits."""
    folder = tmp_path / "a lake"
    writer = Writer(Steward(open_catalog(folder)))
    for epoch in range(1, 4):
        writer.commit(writer.prepare(epoch, [epoch, 10 * epoch]))
    return folder


KEYS = [1, 2, 3, 10, 20, 30]


def test_pyiceberg_of_another_program_reads_the_rows(warehouse: Path) -> None:
    """With PyIceberg's own FileIO, as a user would open it."""
    table = SqlCatalog("headrace", uri=catalog_uri(warehouse)).load_table("lake.t")
    assert sorted(table.scan().to_arrow()["k"].to_pylist()) == KEYS
    assert table.scan(row_filter="k = 1").to_arrow()["v"].to_pylist() == ["v1"]
    assert len(list(table.scan(row_filter="k = 1").plan_files())) == 1  # The bounds leave two files out.


def test_duckdb_reads_the_files_of_the_snapshot(warehouse: Path) -> None:
    files = ask(Steward(open_catalog(warehouse)), do="files", table="lake.t")["files"]
    assert [k for (k,) in duckdb.connect().execute("SELECT k FROM read_parquet(?) ORDER BY k", [files]).fetchall()] == KEYS


def test_duckdbs_iceberg_extension_reads_the_table(warehouse: Path) -> None:
    """The extensions come as Python packages, because their usual place may not be reached."""
    db = duckdb.connect()
    for name in ("avro", "iceberg"):
        package = pytest.importorskip(f"duckdb_extension_{name}")
        (extension,) = Path(package.__path__[0]).glob(f"extensions/*/{name}.duckdb_extension")
        db.execute(f"LOAD '{extension}'")
    metadata = ask(Steward(open_catalog(warehouse)), do="files", table="lake.t")["metadata"]
    assert [k for (k,) in db.execute("SELECT k FROM iceberg_scan(?) ORDER BY k", [metadata]).fetchall()] == KEYS


def test_the_command_shows_tables_and_files(warehouse: Path) -> None:
    def shown(*arguments: str) -> list[str]:
        command = [sys.executable, "-m", "headrace.lake", "--warehouse", str(warehouse), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]

    assert shown("ls") == ["lake.t"]
    assert len(shown("files", "lake.t")) == 3


def test_a_table_whose_rows_another_program_deleted_is_not_shown_wrong(warehouse: Path) -> None:
    """PyIceberg rewrites files on delete; the list of files follows the newest snapshot."""
    SqlCatalog("headrace", uri=catalog_uri(warehouse)).load_table("lake.t").delete("k = 10")
    files = ask(Steward(open_catalog(warehouse)), do="files", table="lake.t")["files"]
    assert [k for (k,) in duckdb.connect().execute("SELECT k FROM read_parquet(?) ORDER BY k", [files]).fetchall()] == [1, 2, 3, 20, 30]


def test_old_snapshots_go_and_rows_stay(tmp_path: Path) -> None:
    """The number of snapshots and of metadata files stays bounded; every reader still sees every row."""
    writer = Writer(Steward(open_catalog(tmp_path)))
    catalog = open_catalog(tmp_path)
    with catalog.load_table("lake.t").transaction() as change:
        change.set_properties({"history.expire.min-snapshots-to-keep": "3", "commit.manifest.min-count-to-merge": "4"})
    for epoch in range(1, 31):
        writer.commit(writer.prepare(epoch, [epoch]))
    table = SqlCatalog("headrace", uri=catalog_uri(tmp_path)).load_table("lake.t")
    assert 3 <= len(table.metadata.snapshots) <= 6
    assert sorted(table.scan().to_arrow()["k"].to_pylist()) == list(range(1, 31))
    for snapshot in table.metadata.snapshots:
        table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
    assert len(list(Path(writer.opened["folder"]).parent.glob("metadata/*.avro"))) < 25


def test_branches_and_tags_keep_every_snapshot(tmp_path: Path) -> None:
    writer = Writer(Steward(open_catalog(tmp_path)))
    writer.commit(writer.prepare(1, [1]))
    table = open_catalog(tmp_path).load_table("lake.t")
    with table.transaction() as change:
        change.set_properties({"history.expire.min-snapshots-to-keep": "1"})
    table.manage_snapshots().create_tag(table.metadata.snapshots[0].snapshot_id, "audited").commit()
    for epoch in range(2, 6):
        writer.commit(writer.prepare(epoch, [epoch]))
    table = open_catalog(tmp_path).load_table("lake.t")
    assert len(table.metadata.snapshots) == 5
    assert table.scan(snapshot_id=table.metadata.refs["audited"].snapshot_id).to_arrow()["k"].to_pylist() == [1]
