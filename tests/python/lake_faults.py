"""A real SQLite catalog on which answers get lost, requests arrive late and other writers come first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.lake.catalog import CATALOG_NAME, open_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import CommitTableResponse, Table
from sqlalchemy.exc import OperationalError

FAULTS = ("none", "refused", "lost_request", "lost_answer", "late", "locked", "unreadable_after")


class FaultyCatalog(SqlCatalog):
    """Meets the next commit with `fault`; then all is well again.

    refused: another commit was first. lost_request, lost_answer: the connection breaks before or after the swap. late: the request is
    still on its way and lands when `deliver` is called. locked: the database is busy. unreadable_after: the swap happens, its answer is
    lost, and the table cannot be read back.
    """

    fault = "none"
    unreadable = False
    on_its_way: list[Callable[[], Any]]

    @classmethod
    def at(cls, warehouse: Path) -> FaultyCatalog:
        catalog = cls(CATALOG_NAME, **open_catalog(warehouse).properties)
        catalog.on_its_way = []
        return catalog

    def load_table(self, identifier: Any) -> Table:
        if self.unreadable:
            self.unreadable = False
            raise OperationalError("SELECT", {}, Exception("database is locked"))
        return super().load_table(identifier)

    def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
        fault, self.fault = self.fault, "none"
        if fault == "refused":
            raise CommitFailedException("another commit was first")
        if fault == "lost_request":
            raise CommitStateUnknownException("connection reset")
        if fault == "locked":
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        if fault == "late":
            self.on_its_way.append(lambda: SqlCatalog.commit_table(self, table, requirements, updates))
            raise CommitStateUnknownException("timed out")
        response = super().commit_table(table, requirements, updates)
        if fault in ("lost_answer", "unreadable_after"):
            self.unreadable = fault == "unreadable_after"
            raise CommitStateUnknownException("connection reset")
        return response

    def deliver(self) -> None:
        """Lets the requests that are on their way arrive."""
        waiting, self.on_its_way = self.on_its_way, []
        for request in waiting:
            try:
                request()
            except CommitFailedException:
                pass  # What it required was no longer so.
