"""Made-up worlds, and what an action would do to one."""

import dataclasses
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

from afflux.clients.catalog import Publication, Relation, Server, Slot
from afflux.clients.connect import Connector, Task
from afflux.clients.signals import Sent
from afflux.control.planned.actions import (
    Action,
    CopyTables,
    CreateConnector,
    CreateTopics,
    DropSlot,
    NoteTables,
    RemoveConnector,
    RestartConnector,
    Risk,
    SetCompatibility,
    SetConnector,
    SetPublication,
    SetTopic,
    StartConnector,
)
from afflux.control.planned.plan import Plan, make_plan
from afflux.control.seen.neighbours import UNFINISHED
from afflux.control.seen.world import ShardWorld, World
from afflux.control.wanted.desired import desired
from afflux.topology.load import loads
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names

TEXT = """
name: orders
kafka: {{bootstrap_servers: "127.0.0.1:9092"}}
registry: {{url: "http://127.0.0.1:8081/apis/ccompat/v7"}}
connect: {{url: "http://127.0.0.1:8083"}}
source:
  database: app
  user: cdc
  password: "${{env:CDC_PASSWORD}}"
  shards:
{shards}
tables:
  - source: '{pattern}'
transforms:
  - {{type: RegexRouter, regex: 'shard[0-9]+\\.(.*)', replacement: '$1'}}
sinks:
  - {{name: warehouse, type: postgresql, url: "postgresql://127.0.0.1/dw"}}
"""

SERVER = Server(
    version=160004,
    database="app",
    wal_level="logical",
    max_slots=10,
    used_slots=1,
    max_senders=10,
    used_senders=1,
    standby=False,
    role="cdc",
    may_replicate=True,
    may_create=True,
    oldest_transaction=200,
)


@cache
def loaded(shards: int, pattern: str) -> Topology:
    lines = "\n".join(f"    - {{name: shard{n}, host: db{n}}}" for n in range(shards))
    return loads(TEXT.format(shards=lines, pattern=pattern))


def topology(shards: int = 1, pattern: str = r"public\..*", **source: Any) -> Topology:
    made = loaded(shards, pattern)
    return made.model_copy(update={"source": made.source.model_copy(update=source)})


def table(name: str = "orders", schema: str = "public", **traits: Any) -> Relation:
    return Relation(schema=schema, name=name, **{"primary_key": ("id",), **traits})


def world(of: Topology, *tables: Relation, **parts: Any) -> World:
    """A world in which every shard has these tables and nothing was made yet."""
    shards = {shard.name: ShardWorld(SERVER, tables) for shard in of.shards}
    return World(**{"shards": shards, "plugin": "1.1.0", **parts})


def slot(of: Topology, shard: Shard, *, active: bool = True) -> Slot:
    return Slot(shard_names(of, shard).slot, "pgoutput", "app", active, pid=7, wal_status="reserved", lag_bytes=0)


def after(of: Topology, seen: World, action: Action) -> World:
    """What the servers would look like once an action was carried out."""
    topics = dict(seen.topics)
    match action:
        case CreateTopics(topics=new):
            changed = {"topics": topics | {topic.name: topic for topic in new}}
        case SetTopic(topic=name, new=settings):
            config = {**topics[name].config, **settings}
            changed = {"topics": topics | {name: dataclasses.replace(topics[name], config=config)}}
        case SetCompatibility(old=old, level=level):
            changed = {"rules": {**seen.rules, **dict.fromkeys(old, level)}}
        case CopyTables(signal=signal):
            changed = {"signals": {**seen.signals, signal.id: Sent(signal.id)}}
        case RemoveConnector(name=name):
            changed = {"connectors": {each: of for each, of in seen.connectors.items() if each != name}}
        case NoteTables(name=name, new=new):
            changed = {"notes": {**seen.notes, name: new}}
        case SetPublication(new=publication):
            changed = {"shards": _with(seen, action.shard, publication=publication)}
        case _:
            changed = _after_connect(of, seen, action)
    return dataclasses.replace(seen, **changed)


def _after_connect(of: Topology, seen: World, action: Action) -> dict[str, Any]:
    connectors = dict(seen.connectors)
    match action:
        case DropSlot(connector=name):
            if name not in connectors:
                return {"shards": _with(seen, action.shard, slot=None, offsets=())}
            connectors[name] = connector(name, {**connectors[name].config, UNFINISHED: "true"}, "STOPPED")
            return {"connectors": connectors, "shards": _with(seen, action.shard, slot=None, offsets=())}
        case CreateConnector(name=name, config=config):
            connectors[name] = connector(name, dict(config))
        case SetConnector(name=name, new=config):
            state = connectors[name].state
            connectors[name] = connector(name, dict(config), state if state in {"STOPPED", "PAUSED"} else "RUNNING")
        case StartConnector(name=name) | RestartConnector(name=name):
            connectors[name] = connector(name, connectors[name].config)
    if connectors[name].state != "RUNNING":
        return {"connectors": connectors}
    shard = next(shard for shard in of.shards if shard.name == action.shard)
    return {"connectors": connectors, "shards": _with(seen, action.shard, slot=slot(of, shard), offsets=())}


def connector(name: str, config: dict[str, str], state: str = "RUNNING", trace: str = "") -> Connector:
    task = "RUNNING" if state == "RUNNING" and not trace else "FAILED" if trace else state
    tasks = () if state == "STOPPED" else (Task(0, task, trace=trace),)
    return Connector(name, config, state, tasks=tasks)


def config_of(of: Topology, shard: Shard, *tables: Relation) -> dict[str, str]:
    return desired(of, shard, tables, exact=True).config


def published(of: Topology, shard: Shard, *tables: Relation) -> Publication:
    return Publication(shard_names(of, shard).publication, frozenset((t.schema, t.name) for t in tables))


def _with(seen: World, shard: str, **parts: Any) -> dict[str, Any]:
    return {**seen.shards, shard: dataclasses.replace(seen.shards[shard], **parts)}


def carry_out(of: Topology, seen: World, plan: Plan) -> World:
    for action in plan.actions:
        seen = after(of, seen, action)
    return seen


def deaths(of: Topology, seen: World, leave: Collection[Risk] = ()) -> Iterator[tuple[Plan, World]]:
    """What was carried out, and the world it left, for each action after which a run may die."""
    plan = make_plan(of, seen, leave=leave)
    for at in range(len(plan.actions) + 1):
        part = dataclasses.replace(plan, actions=plan.actions[:at])
        yield part, carry_out(of, seen, part)
