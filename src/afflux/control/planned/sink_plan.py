"""What there is to do about the connectors that write a shard's rows, of sinks with `engine: connect` (pure)."""

from collections.abc import Iterator, Mapping

from afflux.clients.connect import Connector
from afflux.control.planned.actions import Action, RemoveConnector, RestartSink, Risk, SetSink
from afflux.control.seen.status import failed
from afflux.control.seen.world import Problem, World
from afflux.control.wanted.desired import Desired
from afflux.control.wanted.settings import SHARD_MARK, TOPOLOGY_MARK
from afflux.control.wanted.sink_settings import SINK_MARK, sink_config
from afflux.topology.model import Shard, Topology
from afflux.topology.names import sink_connector


def sink_steps(topology: Topology, shard: Shard, wanted: Desired, world: World) -> Iterator[Action | Problem]:
    """Yield what makes a shard's rows flow into the sinks that are inside Kafka Connect, and takes away what is left of others.

    Args:
        topology: whose shard it is.
        shard: whose.
        wanted: what it should have.
        world: what was observed.
    """
    names = set()
    for sink in topology.connect_sinks if wanted.tables else ():
        name = sink_connector(topology, shard, sink)
        names.add(name)
        found = world.connectors.get(name)
        if found and not is_of(found, topology):
            yield Problem(
                shard.name, f"connector {name}", "it exists and belongs to somebody else", "Choose another sink's name."
            )
            continue
        yield from _one(shard, name, sink_config(topology, shard, sink, wanted.tables), found)
    for connector in of_shard(topology, shard.name, world.connectors):
        if connector.name not in names:
            yield RemoveConnector(
                shard=shard.name,
                object=f"connector {connector.name}",
                reason="the topology has no such sink inside Kafka Connect any more",
                name=connector.name,
            )


def of_shard(topology: Topology, shard: str, connectors: Mapping[str, Connector]) -> list[Connector]:
    """Return the connectors that write a shard's rows, of this topology, by their names."""
    mine = (each for each in connectors.values() if is_of(each, topology) and each.config.get(SHARD_MARK) == shard)
    return sorted(mine, key=lambda connector: connector.name)


def is_of(connector: Connector, topology: Topology) -> bool:
    """Tell whether a connector writes rows, of this topology."""
    return connector.config.get(TOPOLOGY_MARK) == topology.name and SINK_MARK in connector.config


def _one(shard: Shard, name: str, config: Mapping[str, str], found: Connector | None) -> Iterator[Action]:
    if found is None or found.config != config:
        yield SetSink(
            shard=shard.name,
            object=f"connector {name}",
            reason="its config differs" if found else "it is missing",
            risk=Risk.RESTART if found else Risk.NONE,
            name=name,
            old=found.config if found else None,
            new=config,
        )
    elif reason := failed(found):
        yield RestartSink(shard=shard.name, object=f"connector {name}", reason=reason, risk=Risk.RESTART, name=name)
