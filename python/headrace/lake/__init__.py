"""The embedded lake: Iceberg tables in a folder, with a SQLite catalog beside them.

The engine writes the data files; `python -m headrace.lake.steward`, its child, makes them visible through PyIceberg. Any other program
may read the tables and, with care, write to them:

    >>> from headrace.lake.catalog import open_catalog
    >>> table = open_catalog("my-project/.headrace/lake").load_table("lake.per_minute")  # doctest: +SKIP
"""
