"""Carry one action out. Each may be run again, also after a death in its middle."""

import time
from typing import assert_never

from afflux.clients.connect import Connect
from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login
from afflux.control.done.stopping import ORPHAN_SECONDS, must_stop
from afflux.control.planned.actions import (
    Action,
    CopyTables,
    CreateConnector,
    CreateTopics,
    DropSlot,
    NoteTables,
    RemoveConnector,
    RestartConnector,
    RestartSink,
    SetCompatibility,
    SetConnector,
    SetPublication,
    SetSink,
    SetTopic,
    StartConnector,
)
from afflux.control.seen.neighbours import UNFINISHED
from afflux.errors import ConnectError
from afflux.topology.model import Shard, Topology


def carry_out(topology: Topology, to: Servers, action: Action) -> None:  # noqa: C901, PLR0912 - one case a kind, all of them
    """Carry an action out.

    Args:
        topology: its plan's.
        to: the topology's servers.
        action: what to do.

    Raises:
        ServerError: a server refused, or did not answer.
    """
    match action:
        case CreateTopics(topics=topics):
            to.topics.create(topics)
        case SetTopic(topic=name, new=settings):
            to.topics.configure(name, settings)
        case SetCompatibility(old=subjects, level=level):
            for subject in subjects:
                to.registry.set_compatibility(subject, level)
        case SetPublication(shard=shard, old=before, new=new):
            with session(login(topology, _shard(topology, shard))) as source:
                set_to = source.create_publication if before is None else source.set_publication
                set_to(new.name, sorted(new.tables))
        case CreateConnector(name=name, config=config, forget=True):
            to.connect.create_stopped(name, {**config, UNFINISHED: "true"})
            _begin(to.connect, name, dict(config))
        case CreateConnector(name=name, config=config) | SetConnector(name=name, new=config):
            to.connect.put_config(name, dict(config))
        case NoteTables(topic_prefix=prefix, name=name, new=noted):
            to.signals.note(prefix, connector=name, config=noted)
        case StartConnector(name=name):
            to.connect.change_state(name, "resume")
        case SetSink(name=name, new=config):
            to.connect.put_config(name, dict(config))
        case RestartSink(name=name):
            to.connect.restart(name)
        case RestartConnector(name=name, whole=whole):
            to.connect.restart(name, only_failed=not whole)
        case DropSlot():
            _drop_slot(topology, to.connect, action)
        case RemoveConnector(name=name):
            must_stop(to.connect, name)
            to.connect.delete(name)
        case CopyTables(topic_prefix=prefix, signal=signal):
            to.signals.snapshot(
                prefix, id=signal.id, tables=signal.tables, blocking=signal.blocking, where=signal.filter
            )
            if signal.before:
                to.signals.note_end(signal.before)  # nobody waits for it any more
        case _:
            assert_never(action)


def _drop_slot(topology: Topology, connect: Connect, action: DropSlot) -> None:
    """Mark the connector first: once its slot is gone, nobody must take what it has read for something."""
    there = connect.connectors().get(action.connector)
    if there is not None:
        must_stop(connect, action.connector)
        connect.put_config(action.connector, {**there.config, UNFINISHED: "true"})
    with session(login(topology, _shard(topology, action.shard))) as source:
        source.drop_slot(action.slot)
    if there is not None:
        time.sleep(ORPHAN_SECONDS)


def _begin(connect: Connect, name: str, config: dict[str, str]) -> None:
    """Start a stopped connector as if there had never been one of its name."""
    try:
        connect.delete_offsets(name)
    except ConnectError:
        there = connect.connectors().get(name)
        if there is None or UNFINISHED in there.config:
            raise
        # Another process makes this connector at the same time. It forgot the offsets before it took the mark away,
        # and may have started the connector since, which Connect's status tells only later (observed).
    connect.put_config(name, config)
    connect.change_state(name, "resume")


def _shard(topology: Topology, name: str) -> Shard:
    return next(shard for shard in topology.shards if shard.name == name)
