"""On a secured stack: the roles get what `afflux grants` prints, as an administrator would run it."""

from collections.abc import Sequence

import psycopg

from afflux.onboarding.rights import sink_rights, source_rights
from afflux.stack import Addresses
from afflux.topology.load import load_resolved


def grant_source(addresses: Addresses, shard: str) -> None:
    """Let the connectors' role read a shard's tables, and publish them.

    Args:
        addresses: of the stack.
        shard: the shard's name; its tables are there.
    """
    topology = load_resolved(addresses.topology)
    (declared,) = (each for each in topology.shards if each.name == shard)
    (address,) = (each for each in addresses.shards if each.name == shard)
    _run(address.superuser_url, source_rights(topology, declared, monitor=True).statements)


def grant_sink(addresses: Addresses) -> None:
    """Let the sink's role make what it writes."""
    topology = load_resolved(addresses.topology)
    _run(addresses.warehouse_superuser_url, sink_rights(topology, topology.sinks[0]).statements)


def _run(url: str, statements: Sequence[str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
