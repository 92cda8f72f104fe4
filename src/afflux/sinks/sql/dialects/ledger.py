"""A sink's state in a database: records, each with the number of the change that made it so."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

import polars as pl
import sqlalchemy as sa

from afflux.sinks.reference.codec import Record
from afflux.sinks.reference.records import Records, layout
from afflux.sinks.sql.dialects.database import Database
from afflux.sinks.sql.dialects.layout import id_of
from afflux.sinks.sql.dialects.replace import replace_rows

Result = TypeVar("Result")

_BLOCK_ROWS = 100_000


class Ledger:
    """The state of one consumer group of one topology, as a `Memory` that is kept in a database.

    Args:
        database: where.
        topology: the topology's name.
        group: the consumer group.
    """

    def __init__(self, database: Database, topology: str, group: str) -> None:
        self._database = database
        self._scope = (topology, group)
        self._records = Records()
        self._number = 0
        self.memory = self._records.memory
        """The state, without rows. Changed within `change`."""
        self.time_of = self._records.time_of

    def open(self, *, make: bool) -> bool:
        """Read the state.

        Args:
            make: bring it into being where there is none.

        Returns:
            Whether there is one.

        Raises:
            SinkError: it has another version's layout.
        """
        database, layouts = self._database, self._database.layout

        def there(connection: sa.Connection) -> bool:
            if database.has(connection, layouts.version):
                return True
            if make:
                for table in (layouts.state, layouts.tables, layouts.version):
                    database.make(connection, table)
                if connection.execute(sa.select(sa.func.count()).select_from(layouts.version)).scalar_one() == 0:
                    connection.execute(sa.insert(layouts.version).values(id="version", number=0))
            return make

        if not database.transaction("open", there):
            return False
        self.look("open")
        if not self._records.begun and make:
            self.change("open", lambda _connection: None, [layout()])
        return self._records.begun

    def look(self, doing: str) -> None:
        """Learn what others have committed."""
        self._database.transaction(doing, self._refresh)

    def change(self, doing: str, step: Callable[[sa.Connection], Result], further: Iterable[Record] = ()) -> Result:
        """Change the state and whatever else, in one transaction.

        Args:
            doing: what, for messages.
            step: changes `memory`, which is the newest state, and tables; called again where the transaction came to nothing.
            further: records that are no part of the memory.
        """
        written: list[Record] = []
        at = datetime.now(UTC)

        def changed(connection: sa.Connection, number: int) -> tuple[Result, int]:
            self._refresh(connection)
            result = step(connection)
            written[:] = [*self._records.changed(), *further]
            self._write(connection, number, written, at)
            return result, number

        result, self._number = self._database.write(doing, changed)
        self._records.committed(written, at)
        return result

    def _refresh(self, connection: sa.Connection) -> None:
        state = self._database.layout.state
        mine = (state.c.topology == self._scope[0]) & (state.c.consumer_group == self._scope[1])
        names = ("number", "kind", "key", "value", "changed_at")
        query = sa.select(*(state.c[name] for name in names)).where(mine, state.c.number > self._number)
        types = {name: of for name, of in self._database.layout.types(state).items() if name in names}
        found = self._database.dialect.read(connection, query, {name: types[name] for name in names}, _BLOCK_ROWS)
        for number, kind, key, value, at in (row for part in found for row in part.rows()):
            self._records.put(Record(kind, key, value), datetime.fromisoformat(at))
            self._number = max(self._number, number)
        self._records.take_back()

    def _write(self, connection: sa.Connection, number: int, records: list[Record], at: datetime) -> None:
        if not records:
            return
        layouts = self._database.layout
        topology, group = self._scope
        rows = [
            (id_of(topology, group, r.kind, r.key), topology, group, r.kind, r.key, r.value, at.isoformat(), number)
            for r in records
        ]
        frame = pl.DataFrame(rows, schema=layouts.types(layouts.state), orient="row")
        replace_rows(connection, self._database.dialect, layouts.state, ["id"], frame)
