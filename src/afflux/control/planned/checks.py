"""What has to hold on a shard before anything is made there (pure).

Most of this would not be told by Debezium, or only after a task failed; and publishing a table without a usable
replica identity makes PostgreSQL refuse the application's own UPDATE and DELETE.
"""

import dataclasses
from collections.abc import Iterator

from afflux.clients.catalog import Relation
from afflux.control.seen.world import Problem, ShardWorld
from afflux.control.wanted.desired import TABLES, Desired
from afflux.control.wanted.identities import faults, given_key, own_key
from afflux.control.wanted.masks import masked_at_source
from afflux.topology.model import Shard, Topology
from afflux.topology.names import own_topic, table_topic
from afflux.topology.shared import shared_of
from afflux.topology.tables import is_exact, is_read_from, match, matches

OLDEST = 130000
"""PostgreSQL 13, the first that publishes partitions as their root."""


def problems(topology: Topology, shard: Shard, world: ShardWorld, wanted: Desired) -> list[Problem]:
    """Return everything that stands in the way on one shard; empty when it can be set up."""
    return [
        *_server(shard, world),
        *_slot(shard, world),
        *_publication(shard, world, wanted),
        *_patterns(topology, shard, world),
        *_routed(topology, shard, wanted),
        *(
            dataclasses.replace(problem, table=table.full_name)
            for table in wanted.tables
            for problem in _table(topology, shard, table, world)
        ),
    ]


def _routed(topology: Topology, shard: Shard, wanted: Desired) -> Iterator[Problem]:
    """Tables whose topic, by the connectors' own routers, does not tell which table it is of."""
    for table in wanted.tables:
        topic = table_topic(topology, shard, table.full_name)
        if topic == own_topic(topology, shard, table.full_name):
            continue
        told, _ = shared_of(topology, topic)
        if told != table.full_name:
            whose = f"is taken for {told}'s" if told else "does not tell whose it is"
            yield Problem(
                shard.name,
                f"table {table.full_name}",
                f"the connector's router leads it to topic {topic}, which {whose}",
                "Let the new name end in schema.table, such as $1 of 'shard[0-9]+\\.(public\\..*)'; or name the table itself"
                " in tables.",
                table.full_name,
            )


def _server(shard: Shard, world: ShardWorld) -> Iterator[Problem]:
    server, new_slot = world.server, world.slot is None
    if server.version < OLDEST:
        yield Problem(
            shard.name, "server", f"it is PostgreSQL {server.version // 10000}", "PostgreSQL 13 is the oldest."
        )
    if server.wal_level != "logical":
        yield Problem(
            shard.name,
            "server",
            f"wal_level is {server.wal_level}, so no change can be read from it",
            "ALTER SYSTEM SET wal_level = logical; then restart the server.",
        )
    if server.standby:
        yield Problem(shard.name, "server", "it is a standby", "Name the primary's host in the topology.")
    if not server.may_replicate:
        yield Problem(
            shard.name,
            "server",
            f"role {server.role} may not replicate",
            f"ALTER ROLE {_quoted(server.role)} REPLICATION;",
        )
    if new_slot and server.used_slots >= server.max_slots:
        yield Problem(
            shard.name,
            "server",
            f"all {server.max_slots} replication slots are in use",
            "Drop a slot that nobody reads (see pg_replication_slots), or raise max_replication_slots and restart.",
        )
    if new_slot and server.used_senders >= server.max_senders:
        yield Problem(
            shard.name,
            "server",
            f"all {server.max_senders} WAL senders are in use",
            "Raise max_wal_senders and restart.",
        )


def _slot(shard: Shard, world: ShardWorld) -> Iterator[Problem]:
    slot, database = world.slot, world.server.database
    if slot is None:
        return
    what = f"slot {slot.name}"
    if slot.plugin != "pgoutput" or slot.database != database:
        kind = f"of {slot.plugin} in database {slot.database}" if slot.plugin else "a physical one"
        yield Problem(
            shard.name, what, f"it is {kind}, not pgoutput's in {database}", "Choose another name: source.names.slot."
        )


def _publication(shard: Shard, world: ShardWorld, wanted: Desired) -> Iterator[Problem]:
    publication, what, role = world.publication, f"publication {wanted.publication}", world.server.role
    if publication is not None and (publication.all_tables or publication.schemas):
        kind = "for all tables" if publication.all_tables else "for whole schemas"
        yield Problem(
            shard.name,
            what,
            f"it is {kind}, and can't be set to the topology's tables",
            "Drop it while no connector reads it, or choose another name: source.names.publication.",
        )
        return
    have = publication.tables if publication else frozenset()
    if have == set(wanted.published):
        return
    name, tables = _quoted(wanted.publication), ", ".join(_name(table) for table in wanted.tables)
    statement = (
        f"ALTER PUBLICATION {name} SET TABLE {tables};"
        if publication
        else f"CREATE PUBLICATION {name} FOR TABLE {tables} WITH (publish_via_partition_root = true);"
    )
    foreign = [t.full_name for t in wanted.tables if (t.schema, t.name) not in have and not t.owned]
    for table in foreign:
        message = f"role {role} does not own {table}, and only owners publish a table"
        hint = f"Grant it the owner's role, or let an administrator run: {statement}"
        yield Problem(shard.name, what, message, hint, table=table)
    if foreign:
        return
    if publication is None and not world.server.may_create:
        grant = f"GRANT CREATE ON DATABASE {_quoted(world.server.database)} TO {_quoted(role)};"
        yield Problem(
            shard.name, what, f"role {role} may not make it", f"{grant} Or let an administrator run: {statement}"
        )
    elif publication is not None and not publication.owned:
        message = f"role {role} does not own it and can't set its tables"
        yield Problem(shard.name, what, message, f"Let its owner run: {statement}")


def _patterns(topology: Topology, shard: Shard, world: ShardWorld) -> Iterator[Problem]:
    for table in topology.tables:
        if not is_read_from(topology, table, shard.name):
            continue
        found = [relation for relation in world.relations if matches(table, relation.full_name)]
        if any(relation.kind in TABLES for relation in found):
            continue
        if not is_exact(table):
            yield Problem(
                shard.name, f"tables {table.source}", "no table of the shard matches", "Check `source` of the table."
            )
        elif found:
            yield Problem(
                shard.name,
                f"table {table.source}",
                f"it is a {_KINDS[found[0].kind]}, which has no changes to follow",
                "Name the table that it reads from.",
            )
        else:
            yield Problem(
                shard.name,
                f"table {table.source}",
                "there is no such table",
                _nearest(table.source, world) or "Check `source` of the table, or create it on the shard.",
            )


_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table"}


def _table(topology: Topology, shard: Shard, table: Relation, world: ShardWorld) -> Iterator[Problem]:
    what, name = f"table {table.full_name}", _name(table)
    if not table.logged:
        yield Problem(shard.name, what, "it is unlogged, so it leaves no WAL", f"ALTER TABLE {name} SET LOGGED;")
    if not table.readable:
        yield Problem(
            shard.name,
            what,
            f"role {world.server.role} may not read it",
            f"GRANT USAGE ON SCHEMA {_quoted(table.schema)} TO {_quoted(world.server.role)};"
            f" GRANT SELECT ON {name} TO {_quoted(world.server.role)};",
        )
    if table.hidden_rows:
        yield Problem(
            shard.name,
            what,
            f"row-level security hides rows of it from role {world.server.role}",
            f"ALTER ROLE {_quoted(world.server.role)} BYPASSRLS;",
        )
    parted = table.kind == "p"
    leaves = [leaf for leaf in world.relations if leaf.root == table.full_name and leaf.kind == "r"] if parted else []
    declared = match(topology, table.full_name)
    if declared is None:
        return
    for part in [table, *leaves]:
        for fault, hint in faults(part, _name(part), declared):
            yield Problem(shard.name, f"table {part.full_name}", fault, hint)
    for column in given_key(table, declared):
        if set(column) & set(_SEPARATORS):
            fault = f"the column {column!r} of its declared key has one of {_SEPARATORS}, which Debezium takes for more columns"
            yield Problem(shard.name, what, fault, "Rename the column, or declare another key.")
    masked = masked_at_source(topology, table.full_name).keys() & {*own_key(table), *given_key(table, declared)}
    for column in sorted(masked):
        fault = f"its column {column!r} shall be masked at the source, and is of its key, which tells rows apart"
        yield Problem(shard.name, what, fault, "Leave the key as it is, or give the table another `key`.")


_SEPARATORS = ":;,"


def _nearest(name: str, world: ShardWorld) -> str:
    """Name tables of the same name in other schemas."""
    last = name.rpartition(".")[2]
    same = [relation.full_name for relation in world.relations if relation.name == last]
    return f"Did you mean {' or '.join(same)}?" if same else ""


def _name(table: Relation) -> str:
    return f"{_quoted(table.schema)}.{_quoted(table.name)}"


def _quoted(name: str) -> str:
    plain = name.replace("_", "a").isalnum() and name == name.lower() and not name[0].isdigit()
    return name if plain else '"' + name.replace('"', '""') + '"'
