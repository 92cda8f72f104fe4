"""Every table of a topology compared with a sink's target, one after the other."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import psycopg

from afflux.clients.postgres import CONNECT_SECONDS, Login, session
from afflux.clients.postgres_errors import source_error
from afflux.clients.servers import login
from afflux.control.wanted.desired import captured
from afflux.errors import SinkError, UsageError
from afflux.sinks.batch import Keeping, Mode, TableName
from afflux.sinks.collisions import Collision
from afflux.stream.router import Route, Router
from afflux.topology.model import Topology
from afflux.topology.names import table_topic
from afflux.topology.secrets import resolve
from afflux.topology.sinks import DeltaSink, PostgresSink, Sink, SqlSink
from afflux.verify.compare import Sides, compare
from afflux.verify.comparison import Comparison
from afflux.verify.database import Databases

_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Feed:
    """What feeds a target table.

    Attributes:
        source: the table at the shards, `schema.table`.
        route: where its events go, and how.
        shards: which shards have it.
    """

    source: str
    route: Route
    shards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one target table.

    Attributes:
        table: the target's table.
        source: the table at the shards.
        comparison: row for row; None where that can't be done.
        collisions: keys that two shards hold, of which one version alone is in the table.
        note: why it was not compared.
    """

    table: TableName
    source: str
    comparison: Comparison | None
    collisions: tuple[Collision, ...] = ()
    note: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing differs, and no key is on two shards."""
        return not self.collisions and (self.comparison is None or self.comparison.equal)


def feeds(topology: Topology) -> list[Feed]:
    """Find what feeds which target table, by what the shards have now; in order of the targets' names.

    Args:
        topology: as loaded, its shards resolved.

    Raises:
        SourceError: a shard does not answer.
    """
    router = Router(topology)
    found: dict[tuple[str, Route], list[str]] = {}
    for shard in topology.shards:
        with session(login(topology, shard)) as source:
            tables = captured(topology, shard, source.relations())
        for table in tables:
            route = router.route(table_topic(topology, shard, table.full_name), table.schema, table.name)
            if route is not None:
                found.setdefault((table.full_name, route), []).append(shard.name)
    made = [Feed(source, route, tuple(shards)) for (source, route), shards in found.items()]
    return sorted(made, key=lambda feed: (feed.route.table, feed.source))


def verify(
    topology: Topology,
    sink: Sink,
    wanted: Collection[str],
    collisions: Collection[Collision] = (),
    *,
    wait: float = 0,
) -> Iterator[Verdict]:
    """Compare tables.

    Args:
        topology: as loaded, its shards resolved.
        sink: whose target.
        wanted: target tables, `schema.table`; all, where there are none.
        collisions: those that the sink knows of.
        wait: seconds in which a table that differs is compared again, for what is on its way.

    Yields:
        A verdict a table, as they are found.

    Raises:
        UsageError: a wanted table is none of the topology's.
        SourceError: a shard can't be read.
        SinkError: the target can't be read.
    """
    all_of_them = feeds(topology)
    names = {str(feed.route.table) for feed in all_of_them}
    unknown = sorted(set(wanted) - names)
    if unknown:
        there = ", ".join(sorted(names)) or "none"
        raise UsageError(f"{unknown[0]!r} is no target table of the topology", hint=f"the tables are: {there}")
    chosen = [feed for feed in all_of_them if not wanted or str(feed.route.table) in wanted]
    with ExitStack() as stack:
        shards = {
            shard.name: stack.enter_context(_connected(login(topology, shard)))
            for shard in topology.shards
            if any(shard.name in feed.shards for feed in chosen)
        }
        target = stack.enter_context(_target(sink))
        for feed in chosen:
            table = feed.route.table
            colliding = tuple(each for each in collisions if each.table == str(table))
            others = [other.source for other in all_of_them if other.route.table == table and other is not feed]
            note = _why_not(feed.route.keeping, others)
            found = None if note else _compared(feed, shards, target, sink, wait=wait)
            yield Verdict(table, feed.source, found, colliding, note)


def _compared(
    feed: Feed,
    shards: Mapping[str, psycopg.Connection],
    target: "psycopg.Connection | Sides",
    sink: Sink,
    *,
    wait: float,
) -> Comparison:
    schema, _, name = feed.source.partition(".")
    mine = {shard: shards[shard] for shard in feed.shards}
    until = monotonic() + wait
    while True:
        found = compare(
            mine,
            target,
            TableName(schema, name),
            into=feed.route.table,
            key=feed.route.key,
            keeping=feed.route.keeping,
            meta=sink.meta,
            masks=dict(feed.route.masks),
        )
        if found.equal or monotonic() >= until:
            return found
        sleep(_AGAIN_SECONDS)


def _why_not(keeping: Keeping, others: Collection[str]) -> str:
    if keeping.mode is Mode.APPEND:
        return "it keeps every change, and no row as it is"
    return f"{', '.join(sorted(others))} feed(s) it too" if others else ""


@contextmanager
def _connected(at: Login) -> Iterator[psycopg.Connection]:
    """Open a session at a shard.

    Raises:
        SourceError: it can't be reached or refuses the login.
    """
    options: dict[str, Any] = {**at.options, "application_name": "afflux verify"}
    try:
        connection = psycopg.connect(
            host=at.host,
            port=at.port,
            dbname=at.database,
            user=at.user,
            password=at.password,
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
            **options,
        )
    except psycopg.Error as error:
        raise source_error(at.where, at.user, error) from None
    with connection:
        yield connection


@contextmanager
def _target(sink: Sink) -> Iterator["psycopg.Connection | Sides"]:
    """Open a sink's target; a kind of sink is one branch here."""
    match sink:
        case PostgresSink():
            try:
                connection = psycopg.connect(resolve(sink.url), autocommit=True, application_name="afflux verify")
            except psycopg.Error as error:
                reason = str(error).strip().splitlines()[0]
                raise SinkError(f"sink {sink.name!r} can't be read: {reason}") from None
            with connection:
                yield connection
        case DeltaSink():
            from afflux.sinks.delta.store import store_of  # noqa: PLC0415 - its libraries are an extra
            from afflux.verify.lake import Lake  # noqa: PLC0415 - likewise

            yield Lake(store_of(sink), sink.meta)
        case SqlSink():
            yield Databases(resolve(sink.url), sink.meta)
