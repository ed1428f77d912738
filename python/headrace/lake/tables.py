"""Tables: from the engine's columns to an Iceberg schema, created when new, evolved when columns were added."""

from __future__ import annotations

import re
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform, IdentityTransform, Transform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from headrace.lake.refusal import Refusal
from headrace.lake.retention import KEPT_DEFAULT, KEPT_PROPERTY

Json = dict[str, Any]

TABLE_PROPERTIES = {
    "format-version": "2",
    # The library's own retry rebuilds a commit on a new head without asking the marker: a zombie's append would land.
    "commit.retry.num-retries": "0",
    # A commit a second adds a manifest a second: a hundred small ones become one.
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    KEPT_PROPERTY: str(KEPT_DEFAULT),
    "write.parquet.compression-codec": "zstd",
}

PRIMITIVES: dict[str, PrimitiveType] = {
    str(kind): kind
    for kind in (
        BooleanType(),
        IntegerType(),
        LongType(),
        FloatType(),
        DoubleType(),
        StringType(),
        BinaryType(),
        UUIDType(),
        DateType(),
        TimeType(),
        TimestampType(),
        TimestamptzType(),
    )
}
DECIMAL = re.compile(r"decimal\((\d+), (\d+)\)")

TRANSFORMS: dict[str, Transform[Any, Any]] = {"identity": IdentityTransform(), "day": DayTransform()}
FIRST_PARTITION_FIELD_ID = 1000


class FieldIds:
    """Field ids in order of appearance; the catalog gives its own in the end."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        self.last += 1
        return self.last


def iceberg_type(wire: Any, ids: FieldIds) -> IcebergType:
    """Reads a type as the engine writes it: "long", {"list": T}, {"map": [K, V]} or {"struct": [{"name": ..., "type": T}, ...]}."""
    if isinstance(wire, str):
        decimal = DECIMAL.fullmatch(wire)
        return DecimalType(int(decimal[1]), int(decimal[2])) if decimal else PRIMITIVES[wire]
    if "list" in wire:
        return ListType(element_id=ids.next(), element_type=iceberg_type(wire["list"], ids), element_required=False)
    if "map" in wire:
        key, value = wire["map"]
        return MapType(
            key_id=ids.next(),
            key_type=iceberg_type(key, ids),
            value_id=ids.next(),
            value_type=iceberg_type(value, ids),
            value_required=False,
        )
    return StructType(*(nested_field(field, ids) for field in wire["struct"]))


def nested_field(wire: Json, ids: FieldIds) -> NestedField:
    """Reads one column or one field of a struct. All are nullable, so that a table can follow its query."""
    return NestedField(field_id=ids.next(), name=wire["name"], field_type=iceberg_type(wire["type"], ids), required=False)


def iceberg_schema(columns: list[Json]) -> Schema:
    """Reads a relation's columns."""
    ids = FieldIds()
    return Schema(*(nested_field(column, ids) for column in columns))


def field_ids(field_id: int, field_type: IcebergType) -> Json:
    """Gives the ids of a field and what lies in it, under the names that they have in a Parquet file."""
    children: list[tuple[str, Json]] = []
    if isinstance(field_type, ListType):
        children = [("element", field_ids(field_type.element_id, field_type.element_type))]
    elif isinstance(field_type, MapType):
        children = [
            ("key", field_ids(field_type.key_id, field_type.key_type)),
            ("value", field_ids(field_type.value_id, field_type.value_type)),
        ]
    elif isinstance(field_type, StructType):
        children = [(field.name, field_ids(field.field_id, field.field_type)) for field in field_type.fields]
    return {"id": field_id, "children": [{"name": name, **ids} for name, ids in children]}


def partition_spec(schema: Schema, wanted: list[Json]) -> PartitionSpec:
    """Reads `partitioned_by`, a list of {"column": ..., "transform": "identity" | "day"}."""
    fields = []
    for place, part in enumerate(wanted):
        transform = TRANSFORMS[part["transform"]]
        source = schema.find_field(part["column"], case_sensitive=False)
        if not transform.can_transform(source.field_type):
            raise Refusal("bad_config", f"partitioned_by: {part['transform']}({source.name}) does not go with type {source.field_type}")
        name = source.name if part["transform"] == "identity" else f"{source.name}_{part['transform']}"
        fields.append(PartitionField(source_id=source.field_id, field_id=FIRST_PARTITION_FIELD_ID + place, transform=transform, name=name))
    return PartitionSpec(*fields)


def open_table(catalog: Catalog, name: str, columns: list[Json], partition: list[Json]) -> Table:
    """Loads the table, or creates it; adds columns that it does not have yet."""
    schema = iceberg_schema(columns)
    try:
        table = catalog.load_table(name)
    except NoSuchTableError:
        return create_table(catalog, name, schema, partition)
    evolve(table, name, schema)
    check_partition(table, name, partition)
    return table


def create_table(catalog: Catalog, name: str, schema: Schema, partition: list[Json]) -> Table:
    namespace, _, short_name = name.rpartition(".")
    catalog.create_namespace_if_not_exists(namespace)
    location = f"{catalog.properties['warehouse']}/{namespace}/{short_name}"
    try:
        return catalog.create_table(
            name, schema, location=location, partition_spec=partition_spec(schema, partition), properties=TABLE_PROPERTIES
        )
    except TableAlreadyExistsError:  # Another pipeline was first.
        table = catalog.load_table(name)
        evolve(table, name, schema)
        return table


def evolve(table: Table, name: str, wanted: Schema) -> None:
    """Adds the columns of `wanted` that the table lacks. A changed type is refused: old files keep theirs."""
    known = {field.name.lower(): field for field in table.schema().fields}  # SQL matches names without regard to case.
    given = {field.name.lower() for field in wanted.fields}
    for field in wanted.fields:
        old = known.get(field.name.lower())
        if old is not None and shape(old.field_type) != shape(field.field_type):
            raise Refusal(
                "bad_config",
                f"column {field.name} of table {name} is {old.field_type}, and the query gives {field.field_type}",
                f"cast it in the query, give it another name, or write to another table than {name}",
            )
    for field in known.values():
        if field.required and field.name.lower() not in given:
            raise Refusal(
                "bad_config",
                f"column {field.name} of table {name} must not be NULL, and the query does not give it",
                "select it in the sink's query",
            )
    added = [field for field in wanted.fields if field.name.lower() not in known]
    if added:
        with table.update_schema() as update:
            for field in added:
                update.add_column(field.name, field.field_type)


def check_partition(table: Table, name: str, wanted: list[Json]) -> None:
    """An existing table keeps its partitioning."""
    schema = table.schema()
    has = [(schema.find_column_name(field.source_id), str(field.transform)) for field in table.spec().fields]
    if [(str(column).lower(), transform) for column, transform in has] != [(part["column"].lower(), part["transform"]) for part in wanted]:
        text = ", ".join(column if transform == "identity" else f"{transform}({column})" for column, transform in has if column)
        raise Refusal(
            "bad_config",
            f"table {name} is partitioned by '{text}', and the sink's partitioned_by says otherwise",
            f"set partitioned_by = '{text}'" if text else "leave partitioned_by out",
        )


def shape(field_type: IcebergType) -> str:
    """A type as text, without its field ids."""
    if isinstance(field_type, ListType):
        return f"list<{shape(field_type.element_type)}>"
    if isinstance(field_type, MapType):
        return f"map<{shape(field_type.key_type)}, {shape(field_type.value_type)}>"
    if isinstance(field_type, StructType):
        return "struct<" + ", ".join(f"{field.name}: {shape(field.field_type)}" for field in field_type.fields) + ">"
    return str(field_type)
