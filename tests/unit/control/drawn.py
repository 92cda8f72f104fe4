"""Worlds as they may be found: strategies for the properties of plans."""

import dataclasses

from hypothesis import strategies as st

from afflux.clients.catalog import Publication, Relation
from afflux.clients.connect import Connector
from afflux.clients.signals import Sent
from afflux.clients.topics import Topic
from afflux.control.seen.copies import COPIES
from afflux.control.seen.neighbours import UNFINISHED
from afflux.control.seen.partitions import SINCE
from afflux.control.seen.world import Problem, ShardWorld, World
from afflux.control.wanted.desired import desired
from afflux.control.wanted.settings import SHARD_MARK, TOPOLOGY_MARK
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names
from unit.control.worlds import SERVER, config_of, connector, published, slot, table, topology

NAMES = ("a", "b", "c", "d")
KINDS = (
    "none",
    "running",
    "failed",
    "never started",
    "paused",
    "stopped",
    "half made",
    "gone with a slot",
    "slot gone",
    "slot lost",
)
some_tables = st.sets(st.sampled_from(NAMES)).map(lambda names: [table(name) for name in sorted(names)])
parts = st.lists(st.sampled_from([None, 50, 150]), max_size=2).map(
    lambda when: [
        table("a", kind="p"),
        *(table(f"a{n}", root="public.a", attached=at) for n, at in enumerate(when)),
    ]
)


@st.composite
def _publications(draw: st.DrawFn, of: Topology, shard: Shard) -> Publication | None:
    whole = published(of, shard, *draw(some_tables))
    made = st.builds(
        Publication,
        st.just(whole.name),
        st.just(whole.tables),
        filtered=st.booleans(),
        via_root=st.booleans(),
        operations=st.sampled_from([whole.operations, frozenset({"insert"})]),
    )
    return draw(st.none() | made)


@st.composite
def _connectors(draw: st.DrawFn, of: Topology, shard: Shard, tables: list[Relation], kind: str) -> Connector | None:
    name = shard_names(of, shard).connector
    if kind in {"none", "gone with a slot"}:
        return None
    if kind == "half made":
        return connector(name, config_of(of, shard, *tables) | {UNFINISHED: "true"}, "STOPPED")
    config = config_of(of, shard, *draw(some_tables)) | draw(st.dictionaries(st.just("x.y"), st.just("z")))
    if waiting := draw(some_tables):
        config[COPIES] = ",".join([f"{name}-1", *(rf"public\.{t.name}" for t in waiting)])
    if draw(st.booleans()):
        config[SINCE] = "100"
    state = {"paused": "PAUSED", "stopped": "STOPPED"}.get(kind, "RUNNING")
    return connector(name, config, state, trace="broken" if kind in {"failed", "never started"} else "")


@st.composite
def _topics(draw: st.DrawFn, topic: Topic) -> Topic | None:
    settings = draw(
        st.sampled_from([topic.config, {}, {**topic.config, "cleanup.policy": "compact", "retention.ms": "1"}])
    )
    return draw(st.none() | st.just(dataclasses.replace(topic, config=settings, partitions=draw(st.integers(1, 2)))))


@st.composite
def worlds(draw: st.DrawFn, of: Topology) -> World:
    """A world in some state on its way to a topology, or away from it."""
    shards: dict[str, ShardWorld | Problem] = {}
    connectors, topics, rules, signals, scans = {}, {}, {}, {}, {}
    for shard in of.shards:
        plain = draw(st.sets(st.sampled_from(NAMES[1:]), min_size=1))
        tables = [*draw(parts), *(table(name) for name in sorted(plain))]
        kind = draw(st.sampled_from(KINDS))
        found = draw(_connectors(of, shard, tables, kind))
        seen = ShardWorld(SERVER, tuple(tables), draw(_publications(of, shard)))
        if kind in {"running", "failed", "paused", "gone with a slot", "slot lost"}:
            status = "lost" if kind == "slot lost" else "reserved"
            held = dataclasses.replace(slot(of, shard, active=kind == "running"), wal_status=status)
            seen = dataclasses.replace(seen, slot=held)
        if kind == "slot gone":
            seen = dataclasses.replace(seen, offsets=({"lsn": 5},))
        if found is not None:
            connectors[found.name] = found
            first = f"{found.name}-1"
            if draw(st.booleans()):
                signals[first] = Sent(first)
                ends = st.dictionaries(st.sampled_from([f"public.{n}" for n in NAMES]), st.just("SQL_EXCEPTION"))
                scans[first] = draw(ends)
        shards[shard.name] = draw(st.just(seen) | st.just(Problem(shard.name, "server", "it is away")))
        for wanted in desired(of, shard, tables, exact=True).topics.values():
            if topic := draw(_topics(wanted)):
                topics[topic.name] = topic
            rules |= draw(st.dictionaries(st.just(f"{wanted.name}-value"), st.just("BACKWARD")))
    if draw(st.booleans()):
        connectors["left"] = connector("left", {TOPOLOGY_MARK: of.name, SHARD_MARK: "left", "topic.prefix": "left"})
    return World(shards, "1.0.0", connectors, topics, rules, signals, scans)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Topology, World]:
    """A topology of one or two shards, and a world for it."""
    of = topology(draw(st.integers(1, 2)), draw(st.sampled_from([r"public\..*", r"public\.[ab].*"])))
    retention = draw(st.sampled_from([None, "7d"]))
    kafka = of.kafka.model_copy(update={"topics": of.kafka.topics.model_copy(update={"retention": retention})})
    level = draw(st.sampled_from(["NONE", "FULL"]))
    registry = of.registry.model_copy(update={"compatibility": level})
    of = of.model_copy(update={"kafka": kafka, "registry": registry})
    return of, draw(worlds(of))
