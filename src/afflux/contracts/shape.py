"""What a table looks like: to a consumer by the registry's schemas, and at its source (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from afflux.clients.catalog import Column as CatalogColumn
from afflux.contracts.spelling import spelled
from afflux.errors import UnsupportedTypeError
from afflux.stream.envelope import read_key_schema, row_record
from afflux.types.columns import PARAMETER, read_column
from afflux.types.postgres import KINDS
from afflux.types.wire import is_wire


@dataclass(frozen=True, slots=True)
class Field:
    """A column.

    Attributes:
        name: its true name.
        type: in one spelling, see `spelled`.
        nullable: whether it may be NULL; None where that can't be known.
        also: other names that its type goes by: a domain's base.
    """

    name: str
    type: str
    nullable: bool | None = None
    also: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shape:
    """A table's columns in their order, and the names of its key's; the key's order is that of no promise."""

    fields: tuple[Field, ...]
    key: frozenset[str] = frozenset()


def of_schemas(value: Mapping[str, Any], key: Mapping[str, Any] | None) -> Shape:
    """Read what the events of a topic say of their rows.

    Args:
        value: the Avro schema of the value, as JSON.
        key: that of the key; None where there is none.

    Raises:
        DecodeError: it is no change event's schema.
    """
    fields = {field["name"]: field for field in value.get("fields", ())}
    row = row_record(fields.get("before", {}).get("type"))
    columns = {field["name"]: _field(field) for field in row["fields"]}
    parts = () if key is None else read_key_schema(dict(key))
    return Shape(tuple(columns.values()), frozenset(columns[part].name if part in columns else part for part in parts))


def of_catalog(columns: Iterable[CatalogColumn], key: Iterable[str]) -> Shape:
    """Give the shape of a table as PostgreSQL's catalogs have it.

    Args:
        columns: the table's.
        key: the columns of its key.
    """
    fields = (Field(column.name, spelled(column.type), column.nullable) for column in columns)
    return Shape(tuple(fields), frozenset(key))


def _field(field: dict[str, Any]) -> Field:
    branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
    avro = next((branch for branch in branches if isinstance(branch, dict)), {})
    parameters: dict[str, str] = avro.get("connect.parameters", {})
    name = parameters.get(PARAMETER + "name", field["name"])
    # What the plugin hands over as text is optional in every schema, for it may be an unchanged value.
    nullable = None if is_wire(avro) else "null" in branches
    source = parameters.get(PARAMETER + "type", "").lower()
    own = source.removeprefix("_") + ("[]" if source.startswith("_") else "")
    try:
        of = read_column(field).type
    except UnsupportedTypeError:
        return Field(name, own or "unknown", nullable)
    base = of.ddl()
    if of.name == "money":
        base = "money[]" if of.array else "money"
    known = source.removeprefix("_").removesuffix("serial") in {*KINDS, "", "small", "big"}
    if not own or (known and of.name not in {"enum", "other"}):
        return Field(name, base, nullable)
    return Field(name, own, nullable, frozenset({base}))
