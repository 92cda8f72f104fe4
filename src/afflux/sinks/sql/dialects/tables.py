"""The tables of a database: made when first needed, and given the columns that are new at the source.

What is to be there is written into `Layout.tables` first, and made then: so a death in between leaves nothing that
is not known, and the next one goes on. All of that runs before a batch's own transaction, for some databases end a
transaction by making a table.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import sqlalchemy as sa
import structlog

from afflux.errors import TableError
from afflux.sinks.batch import SHARD, Mode, TableChanges, TableName
from afflux.sinks.reference.batch import Held
from afflux.sinks.reference.columns import META, Names, kept, read_schema, schema, target_key
from afflux.sinks.reference.settle import ASIDE, AT, KIND
from afflux.sinks.sql.dialects.database import Database
from afflux.sinks.sql.dialects.dialect import Widening
from afflux.sinks.sql.dialects.layout import id_of
from afflux.sinks.sql.dialects.replace import replace_rows
from afflux.sinks.sql.dialects.target import Target, key_texts
from afflux.types.exact import is_wider

log = structlog.get_logger()

_LONGEST_NAME = 60
_ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Known:
    """A table as `Layout.tables` has it.

    Attributes:
        target: the target table, or the one whose rows are set aside here.
        place: its schema and name in the database.
        keeps: its mode, or that it is one of rows set aside.
        types: its columns by their names within afflux.
        key: those that tell its rows apart.
    """

    target: TableName
    place: tuple[str | None, str]
    keeps: str
    types: Mapping[str, pl.DataType]
    key: tuple[str, ...]


class AsideMissing(Exception):  # noqa: N818 - met and mended by the sink
    """A table of rows set aside is needed, and has to be made before the batch's transaction."""

    def __init__(self, changes: TableChanges) -> None:
        super().__init__(str(changes.table))
        self.changes = changes


class Tables:
    """Finds and makes tables.

    Args:
        database: where.
        names: how afflux's own columns are called.
        scope: the topology and the consumer group, whose rows set aside are apart.
    """

    def __init__(self, database: Database, names: Names, scope: tuple[str, str]) -> None:
        self._database, self._names = database, names
        self._scope = "\0".join(scope)
        self._known: dict[str, Known] = {}

    def forget(self) -> None:
        """Ask the database again."""
        self._known.clear()

    def ensure(self, changes: TableChanges) -> None:
        """Make the table and the columns that changes need, in transactions of their own.

        Raises:
            TableError: the table is there and can't be afflux's, or can't be made.
        """
        self._names.check(changes)
        types = {c.name: self._database.dialect.exact(c, changes.key) for c in changes.columns}
        types |= {name: META[name] for name in kept(changes.keeping)}
        key = target_key(changes)
        found = self._known.get(id_of("", str(changes.table)))
        if found is not None and _suits(found, types):
            _check(found, changes, self._names)
            return
        place = self._database.place(changes.table)
        wanted = Known(changes.table, place, str(changes.keeping.mode), types, key)
        if changes.key or changes.keeping.mode is Mode.APPEND or self._lookup("", changes.table) is not None:
            self._make("", wanted, changes)

    def make_aside(self, changes: TableChanges) -> None:
        """Make the table of rows set aside of a table, in a transaction of its own."""
        self._lookup(self._scope, changes.table)
        of = self._known[id_of("", str(changes.table))]
        name = f"aside_{id_of(self._scope, str(changes.table))[:12]}_{changes.table.name}".encode()[:_LONGEST_NAME]
        place = self._database.layout.name(name.decode(errors="ignore"))
        key = (KIND, AT, SHARD, *changes.key)
        self._make(self._scope, Known(changes.table, place, _ASIDE, {**ASIDE, **of.types}, key), None)

    def all(self, connection: sa.Connection) -> "Within":
        """Give the tables within a transaction, as they are now."""
        self._read(connection)
        return Within(connection, self)

    # --- what is known ------------------------------------------------------------------------------

    def target(self, connection: sa.Connection, scope: str, table: TableName) -> Target | None:
        """Give a table within a transaction; None where there is none."""
        found = self._known.get(id_of(scope, str(table)))
        if found is None:
            return None
        there = self._table(found)
        return Target(
            connection,
            self._database.dialect,
            there,
            of=found.target,
            types=found.types,
            key=found.key,
            names=self._names,
        )

    @property
    def scope(self) -> str:
        """Whose rows set aside are meant."""
        return self._scope

    def logs(self, connection: sa.Connection) -> list[Target]:
        """Give the tables that keep changes or versions."""
        found = [known.target for known in self._known.values() if known.keeps in {Mode.APPEND, Mode.HISTORY}]
        return [target for name in found if (target := self.target(connection, "", name)) is not None]

    def asides(self, connection: sa.Connection) -> list[tuple[Target, Target]]:
        """Give the tables of rows set aside, each with the table that it belongs to."""
        found = [
            known.target
            for at, known in self._known.items()
            if known.keeps == _ASIDE and at == id_of(self._scope, str(known.target))
        ]
        pairs = [(self.target(connection, self._scope, name), self.target(connection, "", name)) for name in found]
        return [(aside, shown) for aside, shown in pairs if aside is not None and shown is not None]

    def complete_aside(self, table: TableName, of: Held) -> bool:
        """Tell whether there is a table of rows set aside with all the columns of its table."""
        found = self._known.get(id_of(self._scope, str(table)))
        return found is not None and _suits(found, of.types)

    def _lookup(self, scope: str, table: TableName) -> Known | None:
        self._database.transaction("read which tables there are", self._read)
        return self._known.get(id_of(scope, str(table)))

    def _read(self, connection: sa.Connection) -> None:
        tables = self._database.layout.tables
        types = self._database.layout.types(tables)
        query = sa.select(*(tables.c[name] for name in types))
        for part in self._database.dialect.read(connection, query, types, 10_000):
            for row in part.rows(named=True):
                columns, key = read_schema(pa.ipc.read_schema(pa.py_buffer(base64.b64decode(row["columns"]))), _PLAIN)
                place = (row["table_schema"], row["table_name"])
                target = TableName(*row["target"].split(".", 1))
                self._known[row["id"]] = Known(target, place, row["keeps"], columns, key)

    # --- making -------------------------------------------------------------------------------------

    def _make(self, scope: str, wanted: Known, changes: TableChanges | None) -> None:
        """Write down what is to be there, then make it; whoever else does so at the same time."""
        database = self._database

        def note(connection: sa.Connection, _number: int) -> Known:
            self._read(connection)
            found = self._known.get(id_of(scope, str(wanted.target)))
            if found is None:
                self._refuse_stranger(connection, wanted)
                whole = wanted
            else:
                if changes is not None:
                    _check(found, changes, self._names)
                self._widen(connection, found, wanted)
                whole = Known(wanted.target, found.place, found.keeps, _joined(found.types, wanted.types), found.key)
            replace_rows(connection, database.dialect, database.layout.tables, ["id"], self._row(scope, whole))
            return whole

        whole = database.write(f"note table {wanted.target}", note)
        database.transaction(f"make table {wanted.target}", lambda connection: self._suit(connection, whole))
        self._known[id_of(scope, str(wanted.target))] = whole

    def _suit(self, connection: sa.Connection, whole: Known) -> None:
        """Make a table, or the columns that it lacks."""
        database, table = self._database, self._table(whole)
        if not database.has(connection, table):
            database.make(connection, table)
            log.info("table made", table=str(whole.target), columns=len(whole.types), key=list(whole.key))
            return
        quoted = connection.dialect.identifier_preparer.format_table(table)
        there = {*connection.execute(sa.select(sa.text("*")).select_from(table).where(sa.false())).keys()}
        for column in table.columns:
            if column.name not in there:
                declared = column.type.compile(connection.dialect)
                name = connection.dialect.identifier_preparer.quote(column.name)
                word = "ADD" if connection.dialect.name in {"mssql", "oracle"} else "ADD COLUMN"
                connection.exec_driver_sql(f"ALTER TABLE {quoted} {word} {name} {declared}")
                log.info("column added", table=str(whole.target), column=column.name)

    def _widen(self, connection: sa.Connection, found: Known, wanted: Known) -> None:
        table, texts = self._table(found), key_texts(found.key, found.types)
        for name, of in wanted.types.items():
            if name in found.types and is_wider(of, found.types[name]):
                wider = Widening(self._names.outer(name), found.types[name], of, texts if name in found.key else 0)
                self._database.dialect.widen(connection, table, wider)
                log.info("column widened", table=str(found.target), column=wider.name, type=str(of))

    def _refuse_stranger(self, connection: sa.Connection, wanted: Known) -> None:
        """Refuse a name that is taken: by a table of somebody else's, or by another target where there are no schemas."""
        if any(known.place == wanted.place for known in self._known.values()) or self._database.has(
            connection, self._table(wanted)
        ):
            raise TableError(
                f"table {wanted.target}: there is a table {wanted.place[1]!r} already that afflux has not made for it",
                table=str(wanted.target),
                hint="move it away, or give the table another `target`",
            )

    def _table(self, known: Known) -> sa.Table:
        texts = key_texts(known.key, known.types)
        dialect = self._database.dialect
        columns = [
            sa.Column(
                self._names.outer(name),
                dialect.declared(of, texts if name in known.key else 0),
                primary_key=dialect.keys and name in known.key,
                autoincrement=False,
                nullable=name not in known.key,
            )
            for name, of in known.types.items()
        ]
        schema_, name = known.place
        return sa.Table(name, sa.MetaData(), *columns, schema=schema_)

    def _row(self, scope: str, known: Known) -> pl.DataFrame:
        columns = schema(known.types, known.key, _PLAIN).serialize().to_pybytes()
        row = {
            "id": id_of(scope, str(known.target)),
            "scope": scope.replace("\0", "/"),
            "target": str(known.target),
            "table_schema": known.place[0],
            "table_name": known.place[1],
            "keeps": known.keeps,
            "columns": base64.b64encode(columns).decode(),
        }
        return pl.DataFrame([row], schema=self._database.layout.types(self._database.layout.tables))


class _Plain(Names):
    """Names within afflux as they are."""

    def __init__(self) -> None:
        self._outer, self._inner = {}, {}


_PLAIN = _Plain()


class Within:
    """The tables within one transaction: `reference.batch.Holds`.

    Args:
        connection: in the transaction.
        tables: which there are.
    """

    def __init__(self, connection: sa.Connection, tables: Tables) -> None:
        self._connection, self._tables = connection, tables

    def ensure(self, changes: TableChanges) -> Target | None:
        """See `Holds.ensure`: what was made before the transaction is found."""
        return self._tables.target(self._connection, "", changes.table)

    def aside(self, changes: TableChanges, of: Held, *, make: bool) -> Target | None:
        """See `Holds.aside`.

        Raises:
            AsideMissing: it has to be made, or given columns.
        """
        found = self._tables.target(self._connection, self._tables.scope, changes.table)
        if (found is not None or make) and not self._tables.complete_aside(changes.table, of):
            raise AsideMissing(changes)
        return found


def _suits(found: Known, types: Mapping[str, pl.DataType]) -> bool:
    return all(name in found.types and not is_wider(of, found.types[name]) for name, of in types.items())


def _joined(found: Mapping[str, pl.DataType], wanted: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    wider = {name: of for name, of in wanted.items() if name not in found or is_wider(of, found[name])}
    return {**found, **wider}


def _check(found: Known, changes: TableChanges, names: Names) -> None:
    wanted, there = target_key(changes), found.key
    told = changes.key or changes.keeping.mode is not Mode.UPSERT
    if found.keeps != changes.keeping.mode or (told and sorted(wanted) != sorted(there)):
        raise TableError(
            f"table {changes.table} is kept as {found.keeps} by the key ({', '.join(map(names.outer, there))}), "
            f"not as {changes.keeping.mode} by ({', '.join(map(names.outer, wanted))})",
            table=str(changes.table),
            hint="the source's key (with `key: with_shard`, and the shard) or the table's `mode` differs from the "
            "target's: move the table away and let it be copied again",
        )
