"""Batch DuckDB over a prefix of each input: the right answer."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
from inputs import Source, plain
from pipelines import Pipeline
from relations import ALL_TIME, NO_WATERMARK, Relation, View

Row = tuple[str | None, ...]

MACROS = """
CREATE MACRO ms(t) AS (epoch_us(t) - ((epoch_us(t) % 1000) + 1000) % 1000) // 1000;
CREATE MACRO floor_to(x, size, start) AS x - (((x - start) % size) + size) % size;
CREATE MACRO moment(x) AS make_timestamp(CAST(x AS BIGINT) * 1000);
"""


def signless(row: Sequence[str | None]) -> Row:
    """Gives a row with -0.0 as 0.0: they are equal, and of equal keys any may be shown."""
    return tuple("0.0" if cell == "-0.0" else cell for cell in row)


def rows_sql(relation: Relation) -> str:
    """Writes the question for all rows of a relation, each value as DuckDB writes it, as one list."""
    cells = ", ".join(f"CAST({column.name} AS VARCHAR)" for column in relation.columns)
    return f"(SELECT list([{cells}]) FROM {relation.name})"


class OracleError(Exception):
    """The generator wrote what DuckDB does not take: a mistake of the test."""


class Oracle:
    """The answers over one prefix of each input."""

    def __init__(self, pipeline: Pipeline, prefix: Mapping[str, int], *, ended: bool) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(MACROS)
        self.connection.execute("SET TimeZone = 'UTC'; SET threads = 1; SET ieee_floating_point_ops = false")
        # DuckDB 1.5.5 gives a row of NULLs for ROW_NUMBER() OVER (ORDER BY x) <= 1 over no rows, and
        # loses columns of a join that stands twice.
        self.connection.execute("SET disabled_optimizers = 'top_n_window_elimination,common_subplan'")
        self.marks: dict[str, int] = {}
        for source in pipeline.sources:
            rows, self.marks[source.name] = source.table(prefix.get(source.name, 0))
            self.load(source.name, source, rows)
            if source.relation.versions:
                self.load(f"{source.name}__versions", source, source.versions(prefix.get(source.name, 0)))
        for view in pipeline.views:
            low = ALL_TIME if ended else min((self.marks[name] for name in view.relation.sources), default=NO_WATERMARK)
            low = low if view.relation.sources else self.low_below(pipeline, view, ended=ended)
            sql = view.oracle_sql.replace("{watermark}", str(low))
            try:
                self.define(view, sql)
            except duckdb.Error as error:
                raise OracleError(f"{view.construct}: {error}\n{sql}") from None

    def define(self, view: View, sql: str) -> None:
        """Makes a view of the oracle; a table where the rows are computed in Python."""
        if view.brute_force is None:
            self.connection.execute(f"CREATE VIEW {view.relation.name} AS {sql}")
            return
        columns = ", ".join(f"{column.name} {column.type}" for column in view.relation.columns)
        self.connection.execute(f"CREATE TABLE {view.relation.name} ({columns})")
        rows = view.brute_force(self.connection.execute(sql).fetchall())
        if rows:
            marks = ", ".join("?" * len(view.relation.columns))
            self.connection.executemany(f"INSERT INTO {view.relation.name} VALUES ({marks})", rows)

    def low_below(self, pipeline: Pipeline, view: View, *, ended: bool) -> int:
        """Finds the low point of a view that shows no time itself."""
        if ended:
            return ALL_TIME
        known = {v.relation.name: v for v in pipeline.views}
        below: set[str] = set()
        for name in view.reads:
            relation = known[name].relation if name in known else next(s.relation for s in pipeline.sources if s.name == name)
            below |= relation.sources
        return min((self.marks[name] for name in below), default=NO_WATERMARK)

    def load(self, table: str, source: Source, rows: list[tuple[object, ...]]) -> None:
        """Makes a table of a source's rows, read from NDJSON by the names and types of its columns."""
        names = [column.name for column in source.relation.columns] + ["_seq", "_stamp"]
        types = [column.type for column in source.relation.columns] + ["BIGINT", "BIGINT"]
        columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
        self.connection.execute(f"CREATE TABLE {table} ({columns})")
        if not rows:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
            for row in rows:
                file.write(json.dumps(dict(zip(names, map(plain, row), strict=True)), ensure_ascii=False) + "\n")
            file.flush()
            spec = ", ".join(f"{name}: '{kind}'" for name, kind in zip(names, types, strict=True))
            self.connection.execute(
                f"INSERT INTO {table} SELECT {', '.join(names)} FROM "
                f"read_json('{Path(file.name)}', format = 'newline_delimited', columns = {{{spec}}})"
            )

    def rows(self, view: View) -> list[Row]:
        """Answers a view."""
        return [signless(row) for row in self.ask(view, rows_sql(view.relation)) or []]

    def has_more_than(self, rows: int, view: View) -> bool:
        """Says whether a view has more rows than these, without making them all."""
        return bool(self.ask(view, f"count(*) > {rows} FROM (SELECT 1 FROM {view.relation.name} LIMIT {rows + 1})"))

    def ask(self, view: View, value: str) -> Any:
        """Gives one value that is made of a view."""
        try:
            answer = self.connection.execute(f"SELECT {value}").fetchone()
        except duckdb.Error as error:
            raise OracleError(f"{view.construct}: {error}\n{view.oracle_sql}") from None
        assert answer is not None
        return answer[0]

    def close(self) -> None:
        self.connection.close()
