"""Opens a warehouse's catalog: a SQLite file beside the tables."""

from __future__ import annotations

import os
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalog

from headrace.lake.durable_files import location_of

CATALOG_NAME = "headrace"
"""What another program passes as the catalog's name to see the same tables."""


def catalog_uri(warehouse: str | os.PathLike[str]) -> str:
    """Gives the SQLAlchemy address of a warehouse's catalog.

    >>> catalog_uri("/data/lake")
    'sqlite:////data/lake/catalog.db'
    """
    return f"sqlite:///{Path(warehouse).absolute() / 'catalog.db'}"


def open_catalog(warehouse: str | os.PathLike[str]) -> SqlCatalog:
    """Opens the catalog of `warehouse`, a local folder, and makes both when they are missing."""
    folder = Path(warehouse).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return SqlCatalog(
        CATALOG_NAME,
        **{
            "uri": catalog_uri(folder),
            "warehouse": location_of(str(folder)),
            "py-io-impl": "headrace.lake.durable_files.DurableFileIO",
        },
    )
