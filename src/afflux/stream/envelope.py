"""What an event's Avro schemas say: whose row it is, its columns and key, and how to decode it."""

from dataclasses import dataclass
from typing import Any

from afflux.errors import DecodeError
from afflux.types.columns import Column, read_column

_PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


@dataclass(frozen=True, slots=True)
class RowSchema:
    """One version of a table's rows, as one registered value schema describes it.

    Attributes:
        record: the envelope's record name without `.Envelope`: `<prefix>.<schema>.<table>`, adjusted to
            Avro's rules for names.
        columns: the source's columns in their order.
        layout: the schema without names and annotations. Equal layouts have equal bytes.
    """

    record: str
    columns: tuple[Column, ...]
    layout: dict[str, Any]


def read_value_schema(schema: dict[str, Any]) -> RowSchema:
    """Read the schema of a Debezium change event's value.

    Raises:
        DecodeError: it is no change event's schema.
        UnsupportedTypeError: a column's type is not handled; the message names table and column.
    """
    name = _full_name(schema)
    fields = {field["name"]: field for field in schema.get("fields", ())}
    if not name.endswith(".Envelope") or not {"before", "after", "source", "op"} <= fields.keys():
        raise DecodeError(f"schema {name!r} is no Debezium change event", hint="is the topic one of a table?")
    row = row_record(fields["before"]["type"])
    columns = tuple(read_column(field) for field in row["fields"])
    return RowSchema(name.removesuffix(".Envelope"), columns, _bare(schema, {}, ""))


def read_key_schema(schema: dict[str, Any]) -> tuple[str, ...]:
    """Give the names of the key's fields, in the key's order."""
    return tuple(field["name"] for field in schema["fields"])


def row_record(before: Any) -> dict[str, Any]:
    """Find a row's record in the type of an envelope's `before`.

    Raises:
        DecodeError: there is none.
    """
    for branch in before if isinstance(before, list) else [before]:
        if isinstance(branch, dict) and branch.get("type") == "record":
            return branch
    raise DecodeError("the event's schema has no record under 'before'")


def _full_name(schema: dict[str, Any]) -> str:
    name = str(schema.get("name", ""))
    space = schema.get("namespace")
    return name if "." in name or not space else f"{space}.{name}"


def _bare(schema: Any, names: dict[str, str], space: str) -> Any:
    """Copy a schema without names of its own and without annotations.

    Record names are not in Avro's bytes, so that two shards' events of one table decode together.
    Logical types are left out: the bytes' plain values are what `types` reads.
    """
    if isinstance(schema, list):
        return [_bare(branch, names, space) for branch in schema]
    if isinstance(schema, str):
        if schema in _PRIMITIVES:
            return schema
        return names[schema if "." in schema or not space else f"{space}.{schema}"]
    return _bare_mapping(schema, names, space)


def _bare_mapping(schema: dict[str, Any], names: dict[str, str], space: str) -> Any:
    kind = schema["type"]
    if kind == "record":
        full = _full_name({"namespace": space, **schema})
        names[full] = f"R{len(names)}"
        inner = full.rpartition(".")[0]
        fields = [{"name": field["name"], "type": _bare(field["type"], names, inner)} for field in schema["fields"]]
        return {"type": "record", "name": names[full], "fields": fields}
    if kind == "array":
        return {"type": "array", "items": _bare(schema["items"], names, space)}
    if kind == "map":
        return {"type": "map", "values": _bare(schema["values"], names, space)}
    if kind in ("enum", "fixed"):
        names[_full_name({"namespace": space, **schema})] = name = f"R{len(names)}"
        kept = {k: v for k, v in schema.items() if k in ("symbols", "size")}
        return {"type": kind, "name": name, **kept}
    return _bare(kind, names, space)
