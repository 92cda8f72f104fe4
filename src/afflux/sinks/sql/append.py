"""Tables that hold every change as a row of its own, known by where its event was read."""

import psycopg
from psycopg import sql

from afflux.sinks.batch import TableChanges
from afflux.sinks.sql.stage import Stage


class Append:
    """Writes the events of a batch."""

    def write(
        self,
        connection: psycopg.Connection,
        changes: TableChanges,  # noqa: ARG002 - all that it says is staged
        stage: Stage,
        departed: Stage | None,  # noqa: ARG002 - there are none
        *,
        alone: bool,  # noqa: ARG002 - nothing meets here
    ) -> None:
        """Write what is staged, in the batch's transaction. An event that is there already is not written again."""
        connection.execute(insertion(stage))


def insertion(stage: Stage) -> sql.Composed:
    """Insert the staged events that are not there yet."""
    said = stage.meta.staged | {stage.meta.names.unchanged: stage.unknown()}
    names = [*(column.name for column in stage.columns), *said]
    values = [*(sql.SQL(f"s.c{number}") for number in range(len(stage.columns))), *said.values()]
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} s ON CONFLICT DO NOTHING").format(
        stage.target,
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(values),
        stage.staged,
    )
