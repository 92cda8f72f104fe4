"""Tables that keep changes or versions, cut back to a position from which their events are read again."""

from collections.abc import Iterator, Mapping
from typing import LiteralString

import psycopg
from psycopg import sql

from afflux.sinks.batch import Mode, Partition, TableName
from afflux.sinks.sql.statements import identifier
from afflux.topology.sinks import MetaColumns

_KEPT = """
SELECT schema, name, mode FROM afflux.keepings
WHERE topology = %(topology)s AND consumer_group = %(group)s
  AND to_regclass(quote_ident(schema) || '.' || quote_ident(name)) IS NOT NULL ORDER BY schema, name"""

_CUT: LiteralString = """
DELETE FROM {t} WHERE {topic} = %(topic)s AND {partition} = %(partition)s AND {offset} >= %(offset)s"""

_OPEN: LiteralString = """
UPDATE {t} SET {valid_to} = NULL, {current} = true, {end_op} = NULL, {end_topic} = NULL, {end_offset} = NULL
WHERE {end_topic} = %(topic)s AND {partition} = %(partition)s AND {end_offset} >= %(offset)s"""

_SET_ASIDE: LiteralString = """
UPDATE {t} SET {topic} = %(former)s WHERE {topic} = %(topic)s AND {partition} = %(partition)s"""

_SET_END_ASIDE: LiteralString = """
UPDATE {t} SET {end_topic} = %(former)s WHERE {end_topic} = %(topic)s AND {partition} = %(partition)s"""


class Cuts:
    """Cuts the tables of one consumer group of one topology back.

    Args:
        scope: the topology and the group, as parameters of statements.
        names: what the columns of afflux's own are called.
    """

    def __init__(self, scope: Mapping[str, str], names: MetaColumns) -> None:
        self._scope = scope
        self._names = names

    def cut_back(self, connection: psycopg.Connection, partition: Partition, offset: int) -> None:
        """Delete what events from an offset on have brought, and open the versions that they have ended."""
        values = {"topic": partition.topic, "partition": partition.number, "offset": offset}
        for table, mode in self._kept(connection):
            connection.execute(self._about(table, _CUT), values)
            if mode is Mode.HISTORY:
                connection.execute(self._about(table, _OPEN), values)

    def set_aside(self, connection: psycopg.Connection, partition: Partition, topic_id: str) -> None:
        """Rename what came by a topic that was deleted since, for the offsets of the new one begin again."""
        former = f"{partition.topic}@{topic_id}"
        values = {"topic": partition.topic, "partition": partition.number, "former": former}
        for table, mode in self._kept(connection):
            connection.execute(self._about(table, _SET_ASIDE), values)
            if mode is Mode.HISTORY:
                connection.execute(self._about(table, _SET_END_ASIDE), values)

    def _kept(self, connection: psycopg.Connection) -> Iterator[tuple[TableName, Mode]]:
        for schema, name, mode in connection.execute(_KEPT, self._scope).fetchall():
            yield TableName(schema, name), Mode(mode)

    def _about(self, table: TableName, statement: LiteralString) -> sql.Composed:
        names = {part: sql.Identifier(name) for part, name in self._names.model_dump().items()}
        return sql.SQL(statement).format(t=identifier(table), **names)
