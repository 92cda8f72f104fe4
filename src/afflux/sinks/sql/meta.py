"""The columns of afflux's own in a target table: which there are, what they are called, and what goes into them. Pure."""

from dataclasses import dataclass

from psycopg import sql

from afflux.sinks.batch import Keeping, Mode
from afflux.topology.sinks import MetaColumns

_TYPES = {
    "shard": "text",
    "lsn": "bigint",
    "source_ts": "timestamptz",
    "synced_at": "timestamptz",
    "deleted": "boolean NOT NULL DEFAULT false",
    "deleted_at": "timestamptz",
    "op": "text",
    "topic": "text",
    "partition": "integer",
    "offset": "bigint",
    "transaction": "bigint",
    "unchanged": "text[]",
    "valid_from": "timestamptz",
    "valid_to": "timestamptz",
    "current": "boolean",
    "end_op": "text",
    "end_topic": "text",
    "end_offset": "bigint",
}
_STAGED = {
    "shard": "s.shard",
    "lsn": "s.lsn",
    "source_ts": "s.source_ts",
    "synced_at": "clock_timestamp()",
    "deleted": "s.deleted",
    "deleted_at": "CASE WHEN s.deleted THEN s.source_ts END",
    "op": "s.op",
    "topic": "s.topic",
    "partition": "s.partition",
    "offset": 's."offset"',
    "transaction": "s.transaction",
}
_ALWAYS = ("shard", "lsn", "source_ts", "synced_at")
_SOFT = ("deleted", "deleted_at")
_LINEAGE = ("op", "topic", "partition", "offset", "transaction")
_VERSIONS = ("valid_from", "valid_to", "current", "end_op", "end_topic", "end_offset")


@dataclass(frozen=True, slots=True)
class Meta:
    """The columns of afflux's own that one table has.

    Attributes:
        names: what they are called.
        keeping: how the table keeps its rows.
    """

    names: MetaColumns
    keeping: Keeping

    @property
    def types(self) -> dict[str, str]:
        """Their names, with their types."""
        return {getattr(self.names, part): _TYPES[part] for part in self._parts()}

    @property
    def always(self) -> set[str]:
        """The names of those that every table has."""
        return {getattr(self.names, part) for part in _ALWAYS}

    @property
    def staged(self) -> dict[str, sql.SQL]:
        """The names of those that a staged row `s` fills, with the expressions that do."""
        return {getattr(self.names, part): sql.SQL(_STAGED[part]) for part in self._parts() if part in _STAGED}

    @property
    def key(self) -> tuple[str, ...]:
        """The names of those that tell changes and versions apart: where an event was read."""
        return (self.names.topic, self.names.partition, self.names.offset)

    def _parts(self) -> tuple[str, ...]:
        return (
            *_ALWAYS,
            *(_SOFT if self.keeping.soft else ()),
            *(_LINEAGE if self.keeping.traced else ()),
            *(("unchanged",) if self.keeping.mode is Mode.APPEND else ()),
            *(_VERSIONS if self.keeping.mode is Mode.HISTORY else ()),
        )
