"""The tables that afflux keeps for itself in a database, in a schema `afflux` or under names that begin so."""

import hashlib

import polars as pl
import sqlalchemy as sa

from afflux.sinks.sql.dialects.dialect import Dialect

_TEXT, _LONG = pl.String(), pl.Int64()


class Layout:
    """What there is.

    Args:
        dialect: the database's.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._meta = sa.MetaData()

    @property
    def version(self) -> sa.Table:
        """One row: how many changes there were, of any state."""
        return self._table("version", {"id": _TEXT, "number": _LONG})

    @property
    def state(self) -> sa.Table:
        """The records of states: what is so since which change, by topology and consumer group."""
        columns = ("topology", "consumer_group", "kind", "key", "value", "changed_at")
        return self._table("state", {"id": _TEXT, **dict.fromkeys(columns, _TEXT), "number": _LONG})

    @property
    def tables(self) -> sa.Table:
        """The tables that were made, with their columns; `scope` is empty but for those of rows set aside."""
        columns = ("scope", "target", "table_schema", "table_name", "keeps", "columns")
        return self._table("tables", {"id": _TEXT, **dict.fromkeys(columns, _TEXT)})

    def name(self, name: str) -> tuple[str | None, str]:
        """Give the schema and the name of a table of afflux's own."""
        return ("afflux", name) if self._dialect.schemas else (None, f"afflux_{name}")

    def types(self, table: sa.Table) -> dict[str, pl.DataType]:
        """Give the exact types of the columns of one of these tables."""
        return {column.name: _LONG if column.name == "number" else _TEXT for column in table.columns}

    def _table(self, name: str, types: dict[str, pl.DataType]) -> sa.Table:
        schema, full = self.name(name)
        there = self._meta.tables.get(f"{schema}.{full}" if schema else full)
        if there is not None:
            return there
        columns = [
            sa.Column(
                column,
                self._dialect.declared(of, key_texts=column == "id"),
                primary_key=column == "id" and self._dialect.keys,
                autoincrement=False,
            )
            for column, of in types.items()
        ]
        return sa.Table(full, self._meta, *columns, schema=schema)


def id_of(*parts: str) -> str:
    """Give what a row of afflux's own is known by: a digest, for its names may be longer than a key."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
