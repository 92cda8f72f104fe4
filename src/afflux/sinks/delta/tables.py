"""The tables of a lake: made when first needed, and given the columns that are new at the source."""

from collections.abc import Mapping
from contextlib import suppress

import polars as pl
import structlog
from deltalake import DeltaTable, TableFeatures
from deltalake.exceptions import CommitFailedError

from afflux.errors import SinkError, TableError
from afflux.sinks.batch import SHARD, Mode, TableChanges, TableName
from afflux.sinks.delta.store import Store, folder
from afflux.sinks.delta.target import Target
from afflux.sinks.reference.batch import Held
from afflux.sinks.reference.columns import ALWAYS, META, Names, column_type, kept, schema, target_key
from afflux.sinks.reference.settle import ASIDE, AT, KIND
from afflux.topology.sinks import DeltaSink as Config
from afflux.topology.sinks import LakeTable
from afflux.types.exact import is_wider

log = structlog.get_logger()

_ATTEMPTS = 10
_LISTS_FEATURES = 7
"""The writer version of Delta's protocol that lists what a table uses by name."""


class Tables:
    """Finds and makes tables.

    Args:
        store: the lake.
        place: of the sink's own tables.
        config: the sink's part of the topology.
    """

    def __init__(self, store: Store, place: str, config: Config) -> None:
        self._store, self._place, self._config = store, place, config
        self._names = Names(config.meta)
        self._targets: dict[str, Target] = {}

    def at(self, where: str) -> Target:
        """Give the table at a place.

        Raises:
            SinkError: it is gone.
        """
        found = self._find(where)
        if found is None:
            raise SinkError(f"table {where} of the lake is gone", hint="somebody has removed it while it was written")
        return found

    def ensure(self, changes: TableChanges) -> Target | None:
        """Make the table and the columns that changes need.

        Returns:
            None for a table that has been truncated before its first row.

        Raises:
            TableError: the table is there and can't be afflux's, or can't be made.
        """
        self._names.check(changes)
        found = self._find(place(changes.table))
        types = {c.name: column_type(c, changes.key) for c in changes.columns}
        types |= {name: META[name] for name in kept(changes.keeping)}
        if found is None:
            if not changes.key and changes.keeping.mode is not Mode.APPEND:
                return None
            found = self._make(place(changes.table), types, target_key(changes), self._layout(changes.table, types))
            log.info("table made", table=str(changes.table), columns=len(changes.columns), key=list(changes.key))
        self._check(found, changes)
        self._complete(found, types)
        self._suit(found)
        return found

    def aside(self, changes: TableChanges, of: Held, *, make: bool) -> Target | None:
        """Give the table of rows set aside of a table, with that one's columns; None where there is none."""
        where = self.aside_place(changes.table)
        found = self._find(where)
        types = {**ASIDE, **of.types}
        if found is None and make:
            found = self._make(where, types, (KIND, AT, SHARD, *changes.key))
        if found is not None:
            self._complete(found, types)
        return found

    def aside_place(self, table: TableName) -> str:
        """Give the place of a table's rows set aside."""
        return f"{self._place}/aside/{place(table)}"

    def order_of(self, found: Target) -> list[str]:
        """Give the columns by which rows of a table are laid close together, as the table calls them."""
        if KIND in found.types:
            return []
        wanted = self._config.table(found.name).order_by
        return wanted or [self._names.outer(name) for name in found.key]

    def forget(self) -> None:
        """Ask the lake again."""
        self._targets.clear()

    def _find(self, where: str) -> Target | None:
        found = self._targets.get(where)
        if found is not None:
            found.refresh()
            return found
        table = self._store.open(where)
        if table is not None:
            self._targets[where] = Target(self._store, where, table, self._names)
        return self._targets.get(where)

    def _layout(self, table: TableName, types: dict[str, pl.DataType]) -> LakeTable:
        layout = self._config.table(str(table))
        missing = [name for name in layout.partition_by if self._names.inner(name) not in types]
        if missing:
            raise TableError(
                f"table {table} has no column {missing[0]!r} to be partitioned by",
                table=str(table),
                hint="`sinks[].tables[].partition_by` names the target's columns",
            )
        return layout

    def _make(
        self, where: str, types: dict[str, pl.DataType], key: tuple[str, ...], layout: LakeTable | None = None
    ) -> Target:
        properties = self._properties()
        if layout is not None and layout.change_data_feed:
            properties["delta.enableChangeDataFeed"] = "true"
        columns = schema(types, key, self._names)
        made = self._store.create(where, columns, properties, layout.partition_by if layout else None)
        self._targets[where] = Target(self._store, where, made, self._names)
        return self._targets[where]

    def _properties(self) -> dict[str, str]:
        upkeep = self._config.upkeep
        retention = f"interval {upkeep.retention_seconds:.0f} seconds"
        return {
            "delta.targetFileSize": str(upkeep.file_bytes),
            "delta.deletedFileRetentionDuration": retention,
            "delta.logRetentionDuration": retention,
        }

    def _suit(self, found: Target) -> None:
        """See that a table's properties are what the topology says by now, and that its protocol says all."""
        there, wanted = found.table.metadata().configuration, self._properties()
        with suppress(CommitFailedError):  # somebody else has been first; the next batch looks again
            if any(there.get(name) != value for name, value in wanted.items()):
                found.table.alter.set_table_properties(wanted)
            unsaid = unsaid_features(found.table)
            if unsaid:
                found.table.alter.add_feature(unsaid)

    def _complete(self, found: Target, types: dict[str, pl.DataType]) -> None:
        """Add the columns that are missing and widen those that are too narrow, whoever else does so at the same time."""
        for _ in range(_ATTEMPTS):
            missing = {name: of for name, of in types.items() if name not in found.types}
            there = {name: of for name, of in types.items() if name in found.types}
            wider = {name: of for name, of in there.items() if is_wider(of, found.types[name])}
            try:
                if missing:
                    found.add(missing)
                    log.info("columns added", table=found.name, columns=_told(missing))
                if wider:
                    found.widen(wider)
                    log.info("columns widened, table written anew", table=found.name, columns=_told(wider))
            except CommitFailedError:
                found.refresh()
            else:
                return
        raise SinkError(f"table {found.name} is changed by others all the time", transient=True)

    def _check(self, found: Target, changes: TableChanges) -> None:
        missing = [self._names.outer(name) for name in ALWAYS if name not in found.types]
        if missing:
            raise TableError(
                f"table {changes.table} is there already, without a column {min(missing)!r}",
                table=str(changes.table),
                hint="it was not made by afflux: move it away, or give the table another `target`",
            )
        wanted = [self._names.outer(name) for name in target_key(changes)]
        there = [self._names.outer(name) for name in found.key]
        told = changes.key or changes.keeping.mode is not Mode.UPSERT
        if told and sorted(wanted) != sorted(there):
            raise TableError(
                f"table {changes.table} has the key ({', '.join(there)}) and not ({', '.join(wanted)})",
                table=str(changes.table),
                hint="the source's key (with `key: with_shard`, and the shard) or the table's `mode` differs from the "
                "target's: move the table away and let it be copied again",
            )


def unsaid_features(table: DeltaTable) -> list[TableFeatures]:
    """Give what a table uses and its protocol does not list, for which Spark refuses to read it.

    From writer version 7 on a protocol lists every feature; delta-rs leaves out NOT NULL columns (observed on 1.6.6).
    """
    protocol = table.protocol()
    if protocol.min_writer_version < _LISTS_FEATURES:
        return []
    used = {"invariants": TableFeatures.Invariants}
    if table.metadata().configuration.get("delta.enableChangeDataFeed") == "true":
        used["changeDataFeed"] = TableFeatures.ChangeDataFeed
    return [feature for name, feature in used.items() if name not in (protocol.writer_features or ())]


def _told(columns: Mapping[str, pl.DataType]) -> dict[str, str]:
    return {name: str(of) for name, of in columns.items()}


def place(table: TableName) -> str:
    """Give the place of a table below the lake's path."""
    return f"{folder(table.schema)}/{folder(table.name)}"
