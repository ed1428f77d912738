"""Random scalar expressions over the columns of a relation, by type. They mean the same in the engine and in the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from relations import ARRAY, BIG, BOOL, DATE, DECIMAL, DOUBLE, INT, TEXT, TIME, Column


class Expressions:
    """Draws expressions; `prefix` stands before each column, such as `a.`."""

    def __init__(self, random: Random, columns: Sequence[Column], prefix: str = "") -> None:
        self.random, self.prefix = random, prefix
        self.columns = [column for column in columns if not column.near]

    def name(self, column: Column) -> str:
        return self.prefix + column.name

    def a_column(self, *types: str, calm: bool = False) -> str | None:
        """Draws a column of a type; `calm`: no extreme values."""
        found = [column for column in self.columns if column.type in types and not (calm and column.extreme)]
        return self.name(self.random.choice(found)) if found else None

    def integer(self, depth: int = 2) -> str:
        column = self.a_column(INT, BIG, calm=True)
        if depth == 0 or column is None:
            return column if column is not None and self.random.random() < 0.8 else str(self.random.randint(-5, 20))
        inner, other = self.integer(depth - 1), self.integer(depth - 1)
        return self.random.choice(
            [
                f"({inner} + {other})",
                f"({inner} - {other})",
                f"({inner} * {self.random.randint(-3, 4)})",
                f"({inner} % {self.random.randint(0, 4)})",
                f"({inner} // {self.random.randint(0, 4)})",
                f"abs({inner})",
                f"CASE WHEN {self.condition(depth - 1)} THEN {inner} ELSE {other} END",
                f"coalesce({inner}, {other})",
                f"length({self.text(depth - 1)})",
                f"CAST({self.condition(depth - 1)} AS INTEGER)",
                f"nullif({inner}, {self.random.randint(0, 3)})",
                f"greatest({inner}, {other})",
                f"TRY_CAST({self.text(depth - 1)} AS INTEGER)",
            ]
        )

    def double(self, depth: int = 2) -> str:
        column = self.a_column(DOUBLE, calm=True)
        if depth == 0 or column is None:
            return column if column is not None else f"({self.integer(0)} * 0.25::DOUBLE)"
        inner = self.double(depth - 1)
        return self.random.choice(
            [
                f"({inner} + {self.random.randint(-4, 4)})",
                f"({inner} * 0.5::DOUBLE)",
                f"({self.integer(depth - 1)} / {self.random.choice([0, 2, 4])})",
                f"abs({inner})",
                f"CASE WHEN {self.condition(depth - 1)} THEN {inner} END",
                f"coalesce({inner}, -1.5::DOUBLE)",
                f"CAST({self.integer(depth - 1)} AS DOUBLE)",
            ]
        )

    def decimal(self, depth: int = 2) -> str:
        column = self.a_column(DECIMAL, calm=True)
        if depth == 0 or column is None:
            return column if column is not None else "CAST(1.25 AS DECIMAL(12, 2))"
        inner = self.decimal(depth - 1)
        return self.random.choice(
            [
                f"CAST({inner} + 1.25 AS DECIMAL(12, 2))",
                f"CASE WHEN {self.condition(depth - 1)} THEN {inner} ELSE CAST(0.5 AS DECIMAL(12, 2)) END",
                f"coalesce({inner}, CAST(-0.01 AS DECIMAL(12, 2)))",
            ]
        )

    def text(self, depth: int = 2) -> str:
        column = self.a_column(TEXT)
        if depth == 0 or column is None:
            return column if column is not None else self.random.choice(["'a'", "''", "'Zoë'"])
        inner = self.text(depth - 1)
        return self.random.choice(
            [
                f"upper({inner})",
                f"substr({inner}, 1, {self.random.randint(1, 3)})",
                f"({inner} || {self.text(depth - 1)})",
                f"CAST({self.integer(depth - 1)} AS VARCHAR)",
                f"CASE WHEN {self.condition(depth - 1)} THEN {inner} ELSE 'other' END",
                f"coalesce({inner}, 'none')",
                f"nullif({inner}, '')",
            ]
        )

    def condition(self, depth: int = 2) -> str:
        choice = self.random.random()
        if depth > 0 and choice < 0.3:
            left, right = self.condition(depth - 1), self.condition(depth - 1)
            return self.random.choice([f"({left} AND {right})", f"({left} OR {right})", f"(NOT {left})"])
        below = max(depth - 1, 0)
        column = self.random.choice(self.columns) if self.columns else None
        out = [
            f"{self.integer(below)} {self.comparison()} {self.integer(below)}",
            f"{self.integer(below)} IN ({self.random.randint(0, 4)}, {self.random.randint(0, 9)})",
            f"{self.integer(below)} BETWEEN {self.random.randint(-5, 3)} AND {self.random.randint(3, 12)}",
            f"{self.double(below)} {self.comparison()} {self.random.randint(-8, 8)}.5::DOUBLE",
            f"{self.text(below)} {self.comparison()} {self.text(below)}",
            f"{self.text(below)} LIKE '%{self.random.choice('abz')}%'",
        ]
        if column is not None:
            out.append(f"{self.name(column)} IS {self.random.choice(['', 'NOT '])}NULL")
        if flag := self.a_column(BOOL):
            out.append(flag)
        if other := self.a_column(INT, BIG):
            out.append(f"{other} IS {self.random.choice(['', 'NOT '])}DISTINCT FROM {self.integer(below)}")
        return "(" + self.random.choice(out) + ")"

    def comparison(self) -> str:
        return self.random.choice(["=", "<>", "<", "<=", ">", ">="])

    def any(self) -> tuple[str, str]:
        """Draws an expression of any type; gives it with its type. INTEGER and BIGINT are made BIGINT."""
        kind = self.random.choice([BIG, BIG, DOUBLE, DECIMAL, TEXT, BOOL, TIME, DATE])
        if kind in (TIME, DATE) and (column := self.a_column(kind)):
            return (f"({column} + INTERVAL '90' SECOND)", TIME) if kind == TIME and self.random.random() < 0.5 else (column, kind)
        made = {
            BIG: lambda: f"CAST({self.integer()} AS BIGINT)",
            DOUBLE: self.double,
            DECIMAL: self.decimal,
            TEXT: self.text,
            BOOL: self.condition,
        }
        kind = kind if kind in made else BIG
        return made[kind](), kind

    def array(self) -> str:
        """Draws a list of integers, now and then NULL or empty."""
        column = self.a_column(ARRAY)
        if column is not None:
            return column
        items = [f"CAST({self.integer(1)} AS INTEGER)" for _ in range(self.random.randint(1, 3))]
        return f"[{', '.join(items)}]"
