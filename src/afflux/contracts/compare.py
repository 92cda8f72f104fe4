"""A contract against a table, and shard against shard (pure)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from afflux.contracts.contract import Contract
from afflux.contracts.shape import Field, Shape

ABSENT = "absent"
"""What a field is that is not there."""
_KEY = "(key)"


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that is not kept.

    Attributes:
        table: `schema.table`.
        field: its column; `(key)` for the key, empty for the whole table.
        what: `missing`, `more`, `type`, `null`, `key` or `table`.
        promised: what the contract says.
        found: what is there.
        where: shards, by name.
        by: who says so: `registry` (the events that are sent) or `shards` (their catalogs).
    """

    table: str
    field: str
    what: str
    promised: str
    found: str
    where: tuple[str, ...] = ()
    by: str = ""


@dataclass(frozen=True, slots=True)
class Apart:
    """A field that is not the same on all shards.

    Attributes:
        table: `schema.table`.
        field: its column; `(key)` for the key.
        what: `field` (some lack it), `type`, `null` or `key`.
        values: what it is -> the shards where it is that.
    """

    table: str
    field: str
    what: str
    values: Mapping[str, tuple[str, ...]]


def breaches(contract: Contract, shape: Shape) -> Iterator[Breach]:
    """Yield each promise that a table does not keep; a field that is never NULL keeps one that it may be.

    Args:
        contract: what is promised.
        shape: the table as it is.
    """
    table, promised = contract.table, contract.shape()
    found = {field.name: field for field in shape.fields}
    for field in promised.fields:
        has = found.pop(field.name, None)
        if has is None:
            yield Breach(table, field.name, "missing", _said(field), ABSENT)
            continue
        if field.type != has.type and field.type not in has.also:
            yield Breach(table, field.name, "type", field.type, has.type)
        if field.nullable is False and has.nullable:
            yield Breach(table, field.name, "null", "not null", "nullable")
    for name, has in found.items():
        if not contract.more_fields:
            yield Breach(table, name, "more", ABSENT, _said(has))
    if promised.key and promised.key != shape.key:
        yield Breach(table, _KEY, "key", _listed(promised.key), _listed(shape.key))


def together(of_shards: Mapping[str, Iterable[Breach]], by: str) -> list[Breach]:
    """Say once what is the same on several shards.

    Args:
        of_shards: shard -> its breaches.
        by: who says so.
    """
    alike: dict[Breach, list[str]] = {}
    for shard, found in of_shards.items():
        for breach in found:
            alike.setdefault(breach, []).append(shard)
    return [replace(breach, where=tuple(shards), by=by) for breach, shards in alike.items()]


def apart(table: str, shapes: Mapping[str, Shape]) -> list[Apart]:
    """Tell what is not the same on all shards.

    Args:
        table: `schema.table`.
        shapes: shard -> the table there.

    Returns:
        A line a difference, fields in their order; none where all shards are alike.
    """
    fields = {shard: {field.name: field for field in shape.fields} for shard, shape in shapes.items()}
    lines = []
    for name in dict.fromkeys(name for own in fields.values() for name in own):
        here = {shard: own[name] for shard, own in fields.items() if name in own}
        missing = tuple(shard for shard in fields if shard not in here)
        types = _grouped({shard: field.type for shard, field in here.items()})
        if missing:
            lines.append(Apart(table, name, "field", types | {ABSENT: missing}))
        elif len(types) > 1:
            lines.append(Apart(table, name, "type", types))
        nulls = _grouped(
            {s: "nullable" if f.nullable else "not null" for s, f in here.items() if f.nullable is not None}
        )
        if len(nulls) > 1:
            lines.append(Apart(table, name, "null", nulls))
    keys = _grouped({shard: _listed(shape.key) for shard, shape in shapes.items()})
    return [*lines, *([Apart(table, _KEY, "key", keys)] if len(keys) > 1 else [])]


def _grouped(values: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for shard, value in values.items():
        groups.setdefault(value, []).append(shard)
    return {value: tuple(shards) for value, shards in groups.items()}


def _said(field: Field) -> str:
    return f"{field.type} not null" if field.nullable is False else field.type


def _listed(key: Iterable[str]) -> str:
    return ", ".join(sorted(key)) or "none"
