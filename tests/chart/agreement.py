"""Compare what the chart renders for a topology with what afflux's control plane makes of the same topology (pure)."""

from collections.abc import Iterator, Sequence

from afflux.clients.catalog import Relation
from afflux.control.wanted.desired import Desired, desired, shared_topics
from afflux.topology.model import Topology
from chart.render import Object, named, topology_of


def disagreements(found: Sequence[Object]) -> Iterator[str]:
    """Give the differences, of connectors and topics, where the chart makes them.

    Args:
        found: the objects of one rendering. Tables are given by name in it, and every shard has them all.
    """
    topology = topology_of(found)
    wanted = [*_wanted(topology, found)]
    connectors = named(found, "KafkaConnector")
    if connectors:
        configs = {each.connector: each.config for each in wanted}
        yield from _differences("connectors", set(connectors), set(configs))
        for name, each in connectors.items():
            spec = each["spec"]
            config = {**spec["config"], "connector.class": spec["class"], "tasks.max": str(spec["tasksMax"])}
            for key in sorted(config.keys() | configs[name].keys()):
                if config.get(key) != configs[name].get(key):
                    yield f"{name} {key}: chart {config.get(key)!r}, control plane {configs[name].get(key)!r}"
    topics = {
        each["spec"]["topicName"]: each["spec"]
        for each in named(found, "KafkaTopic").values()
        if "topicName" in each["spec"]  # the registry's own are called like their resources
    }
    if topics:
        made = {topic.name: topic for each in wanted for topic in each.topics.values()} | shared_topics(topology)
        yield from _differences("topics", set(topics), set(made))
        for name in topics.keys() & made.keys():
            spec, topic = topics[name], made[name]
            mine = (spec["partitions"], spec.get("replicas"), spec["config"])
            if mine != (topic.partitions, topic.replication, dict(topic.config)):
                yield f"topic {name}: chart {mine}, control plane {topic}"


def _wanted(topology: Topology, found: Sequence[Object]) -> Iterator[Desired]:
    relations = [Relation(*table.source.split(".", 1), primary_key=("id",)) for table in topology.tables]
    exact = any("converters" in each["spec"]["config"] for each in named(found, "KafkaConnector").values())
    for shard in topology.shards:
        yield desired(topology, shard, relations, exact=exact)


def _differences(what: str, chart: set[str], control: set[str]) -> Iterator[str]:
    if chart != control:
        yield f"{what}: the chart alone has {sorted(chart - control)}, the control plane alone {sorted(control - chart)}"
