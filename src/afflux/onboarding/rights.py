"""What a topology's databases need, as grants: its exact names as they are, its patterns by what the shards hold."""

from sqlalchemy.engine import make_url

from afflux.clients.postgres import session
from afflux.clients.servers import login
from afflux.control.wanted.desired import captured
from afflux.errors import UsageError
from afflux.onboarding.grants import Grants, TableId, sink_grants, source_grants
from afflux.stream.router import Router
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names, table_topic
from afflux.topology.secrets import resolve
from afflux.topology.sinks import PostgresSink, Sink
from afflux.topology.tables import is_exact, is_read_from


def source_rights(topology: Topology, shard: Shard, *, monitor: bool) -> Grants:
    """Return what a shard's role needs.

    A shard is asked only where an entry of `tables` is a pattern.

    Args:
        topology: as loaded, its shards resolved.
        shard: one of them.
        monitor: whether the role may see other sessions.

    Raises:
        ServerError: the shard has to be asked and does not answer.
        UsageError: no table of the topology is read from the shard.
    """
    tables = _tables(topology, shard)
    database = resolve(shard.database or topology.source.database)
    where = f"shard {shard.name}: database {database} on {resolve(shard.host)}:{shard.port}"
    role = resolve(topology.source.user)
    return source_grants(where, database, role, shard_names(topology, shard).publication, tables, monitor=monitor)


def sink_rights(topology: Topology, sink: Sink) -> Grants:
    """Return what a sink's role needs.

    The first shard is asked where an entry of `tables` is a pattern.

    Raises:
        ServerError: the shard has to be asked and does not answer.
        UsageError: the sink is no PostgreSQL database, or the topology has no table.
    """
    if not isinstance(sink, PostgresSink):
        raise UsageError(
            f"sink {sink.name} is of type {sink.type}, whose rights are not given by SQL of PostgreSQL",
            hint="docs/grants.md says what such a sink needs",
        )
    url = make_url(resolve(sink.url))
    database, role = url.database or "", url.username or ""
    where = f"sink {sink.name}: database {database} on {url.host}:{url.port or 5432}"
    return sink_grants(where, database, role, _target_schemas(topology))


def _target_schemas(topology: Topology) -> set[str]:
    router, shard = Router(topology), topology.shards[0]
    routes = [
        router.route(table_topic(topology, shard, f"{schema}.{name}"), schema, name)
        for schema, name in _tables(topology, shard)
    ]
    return {route.table.schema for route in routes if route}


def _tables(topology: Topology, shard: Shard) -> list[TableId]:
    """Return the tables of a shard: exact names as they are written; the shard is asked for what a pattern matches."""
    declared = [table for table in topology.tables if is_read_from(topology, table, shard.name)]
    if all(is_exact(table) for table in declared):
        tables = [_id(table.source) for table in declared]
    else:
        with session(login(topology, shard)) as source:
            tables = [(table.schema, table.name) for table in captured(topology, shard, source.relations())]
    if not tables:
        raise UsageError(
            f"no table of the topology is on shard {shard.name}",
            hint="check `tables` of the topology: names are `schema.table`, and patterns match all of that",
        )
    return tables


def _id(full_name: str) -> TableId:
    schema, _dot, name = full_name.partition(".")
    return schema, name
