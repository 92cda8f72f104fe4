"""Tables that hold each row as it is now: the steps by which a staged batch becomes rows of the target."""

from contextlib import nullcontext

import psycopg

from afflux.errors import IncompleteError
from afflux.sinks.batch import TableChanges, TableName, Truncate
from afflux.sinks.sql import statements
from afflux.sinks.sql.contests import Contests
from afflux.sinks.sql.moves import Moves
from afflux.sinks.sql.session import by_key
from afflux.sinks.sql.stage import Stage
from afflux.sinks.sql.tables import Tables
from afflux.sinks.sql.truncations import Truncations


class Contested(Exception):  # noqa: N818 - a state of the table, met and mended by the sink
    """A table has to be locked alone, for rows of several shards meet in it."""

    def __init__(self, table: TableName) -> None:
        super().__init__(str(table))
        self.table = table


class Upsert:
    """Writes the net effect of a batch.

    Args:
        contests: the rows of several shards under one key.
        moves: the halves of key changes.
        truncations: the truncates that are not over.
        tables: the target's tables.
    """

    def __init__(self, contests: Contests, moves: Moves, truncations: Truncations, tables: Tables) -> None:
        self._contests = contests
        self._moves = moves
        self._truncations = truncations
        self._tables = tables

    def write(
        self,
        connection: psycopg.Connection,
        changes: TableChanges,
        stage: Stage,
        departed: Stage | None,
        *,
        alone: bool,
    ) -> None:
        """Write what is staged, in the batch's transaction.

        Raises:
            Contested: the table has to be locked alone, and is not.
            IncompleteError: rows came without values that the target never had.
        """
        shared_keys = bool(changes.key) and not changes.with_shard
        if not alone and shared_keys and self._contests.exist(connection, changes.table):
            raise Contested(changes.table)
        if departed is not None:
            self._moves.depart(connection, departed)
        self._truncate(connection, changes, stage)
        self._arrive(connection, changes, stage)
        if (thin_out := stage.thin_out()) is not None:
            connection.execute(thin_out)
        upserts, deletes = connection.execute(stage.count()).fetchone() or (0, 0)
        if alone and shared_keys:
            self._contests.take(connection, stage)
        # Rows that are whole find the target's by its key in any case: ON CONFLICT.
        with by_key(connection) if deletes or stage.masked else nullcontext():
            if deletes:
                for statement in stage.delete():
                    connection.execute(statement)
            if upserts:
                _upsert(connection, stage, upserts, alone=alone)
        if alone and not changes.with_shard:
            key = changes.key or self._tables.key(connection, changes.table)
            self._contests.settle(connection, changes.table, key, stage.meta)

    def _truncate(self, connection: psycopg.Connection, changes: TableChanges, stage: Stage) -> None:
        for truncate in changes.truncates:
            connection.execute(statements.truncate(changes.table, stage.meta), statements.truncated(truncate))
            self._forget(connection, changes.table, truncate)
            self._truncations.remember(connection, changes.table, truncate)
        if self._truncations.exist(connection, changes.table):
            self._truncations.drop_older(connection, stage)
            self._truncations.forget(connection, changes.table)

    def _forget(self, connection: psycopg.Connection, table: TableName, truncate: Truncate) -> None:
        self._contests.truncate(connection, table, truncate.shard, truncate.lsn)
        self._moves.truncate(connection, table, truncate.shard, truncate.lsn)

    def _arrive(self, connection: psycopg.Connection, changes: TableChanges, stage: Stage) -> None:
        self._moves.arrive(connection, stage)
        if changes.key and self._moves.waiting(connection, changes.table):
            self._moves.join(connection, stage)
        if changes.several:
            self._moves.wait(connection, stage)


def _upsert(connection: psycopg.Connection, stage: Stage, rows: int, *, alone: bool) -> None:
    """Write the rows that live; see that none is left out for values that it lacks and the target never had."""
    done = sum(connection.execute(statement).rowcount for statement in stage.write())
    if not alone and done < rows:
        raise Contested(stage.table)
    if alone and stage.masked:
        events = [event for (event,) in connection.execute(stage.incomplete())]
        if events:
            raise IncompleteError(str(stage.table), events, stage.masked)
