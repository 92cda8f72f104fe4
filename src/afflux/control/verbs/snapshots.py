"""Ask running connectors to read tables again, all rows or some, beside the changes.

What is read comes as the rows that there are: the target gets those that it lacks, and keeps those that are gone from
the shard. (`tables resync` also has these removed.)
"""

import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from afflux.clients.catalog import Relation
from afflux.clients.connect import Connector
from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login, servers
from afflux.control.seen.copies import Signal, goes_in_chunks
from afflux.control.seen.follow import Progress, Watcher
from afflux.control.seen.look import look
from afflux.control.seen.observe import WORKERS
from afflux.control.seen.scans import Copying
from afflux.control.seen.status import Verdict
from afflux.control.verbs.choose import choose
from afflux.control.wanted.desired import captured
from afflux.control.wanted.settings import include_list, listed
from afflux.errors import AffluxError, ConnectError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names


@dataclass(frozen=True)
class Wish:
    """What is to be read again.

    Args:
        tables: `schema.table`, with `*` and `?` as in a shell.
        where: which rows, as a condition in SQL, such as `id > 500`; empty for all.
        blocking: let the shard's changes wait meanwhile; tables that can't be read in chunks are read so anyway.
    """

    tables: Sequence[str]
    where: str = ""
    blocking: bool = False


@dataclass(frozen=True)
class Read:
    """What became of one table of one shard.

    Args:
        shard: whose.
        table: `schema.table`; empty where the shard could not be asked.
        id: the signal's.
        blocking: whether the shard's changes waited meanwhile.
        status: Debezium's word for its end; empty while it goes on.
        rows: how many were read.
        error: why it could not be asked for.
        hint: what to do about that.
    """

    shard: str
    table: str = ""
    id: str = ""
    blocking: bool = False
    status: str = ""
    rows: int = 0
    error: str = ""
    hint: str = ""

    @property
    def failed(self) -> bool:
        """Whether it did not come to a good end, and does not go on."""
        return bool(self.error) or self.status not in {"", "SUCCEEDED", "EMPTY"}


def snapshot(
    topology: Topology,
    wish: Wish,
    *,
    only: Collection[str] | None = None,
    wait: float,
    report: Progress | None = None,
) -> list[Read]:
    """Have tables of shards read again, and wait until they are.

    Args:
        topology: as loaded.
        wish: what is to be read.
        only: the names of the shards that are meant; None for all.
        wait: seconds to wait; what takes longer goes on by itself.
        report: told (shard, what happened), from several threads.

    Returns:
        What became of each table; a shard that fails stops no other.

    Raises:
        UsageError: a secret of the topology can't be found.
        ServerError: Connect or the broker does not answer.
    """
    to, tell = servers(topology), report or (lambda *_: None)
    meant = [shard for shard in topology.shards if only is None or shard.name in only]
    connectors = to.connect.connectors()

    def one(shard: Shard) -> list[Read]:
        try:
            connector = connectors.get(shard_names(topology, shard).connector)
            seen = look(topology, shard, to.connect, connector)
            if connector is None or seen.verdict not in {Verdict.STREAMING, Verdict.PAUSED}:
                raise ConnectError(
                    f"its stream is {seen.verdict}, and would lose the signal",
                    hint=seen.hint or "`connectors status` says more; ask again when it streams.",
                )
            followed = listed(connector.config.get("table.include.list", ""))
            with session(login(topology, shard)) as source:
                tables = captured(topology, shard, source.relations())
            there = {table.full_name: table for table in tables if include_list([table]) in followed}
            chosen = [there[name] for name in choose(wish.tables, there, what="table that the connector follows")]
            return list(_ask(shard.name, connector, to, _signals(wish, chosen), tell))
        except AffluxError as error:
            tell(shard.name, error.message)
            return [Read(shard.name, error=error.message, hint=error.hint)]

    with ThreadPoolExecutor(WORKERS) as pool:
        asked = [read for reads in pool.map(one, meant) for read in reads]
    return _await(topology, to, asked, wait, tell)


def _signals(wish: Wish, chosen: Sequence[Relation]) -> Iterator[tuple[list[Relation], bool, str]]:
    """Yield (tables, whether changes wait meanwhile, which rows) of each signal."""
    chunks = [table for table in chosen if goes_in_chunks(table) and not wish.blocking]
    if chunks:
        yield chunks, False, wish.where
    for table in chosen:  # one signal each, for each has a SELECT of its own
        if table not in chunks:
            yield [table], True, wish.where


def _ask(
    shard: str,
    connector: Connector,
    to: Servers,
    signals: Iterable[tuple[list[Relation], bool, str]],
    tell: Progress,
) -> Iterator[Read]:
    for tables, blocking, where in signals:
        number = f"{connector.name}-asked-{uuid.uuid4().hex[:12]}"
        signal = Signal(number, tuple(include_list([table]) for table in tables), blocking, where)
        prefix = connector.config["topic.prefix"]
        to.signals.snapshot(prefix, id=number, tables=signal.tables, blocking=blocking, where=signal.filter)
        how = "while changes wait" if blocking else "beside the changes"
        tell(shard, f"asked for {', '.join(table.full_name for table in tables)}, {how}")
        yield from (Read(shard, table.full_name, number, blocking) for table in tables)


def _await(topology: Topology, to: Servers, asked: list[Read], wait: float, tell: Progress) -> list[Read]:
    shards = {read.id: read.shard for read in asked if read.id}
    if not shards or not wait:
        return asked
    sent = to.signals.sent().signals
    copying = {number: Copying(sent[number]) for number in shards}
    Watcher(topology, to, tell).copies([*copying.values()], [*shards.values()], time.monotonic() + wait)

    def ended(read: Read) -> Read:
        scan = copying[read.id].scans[read.table] if read.id else None
        if scan is None:
            return read
        return Read(read.shard, read.table, read.id, read.blocking, scan.status, scan.rows)

    return [ended(read) for read in asked]
