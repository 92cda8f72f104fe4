"""Have running connectors read tables anew, by signal, so that the targets end equal to the shards.

A mark is written into the shard's WAL, and when the connector has passed it, all that it reads has a higher position.
What a sink still has of the table with a lower one when all of it has come is at the shard no more.

A blocking snapshot lets the shard's changes wait while it reads. An incremental one reads between them, and pays for
that (observed on Debezium 3.7.0): it is begun by a thread that shares its session with the one that streams, so that
under load it ended at once in 1 of 4 tries, and took the task with it; it can't read tables without a primary key or
with generated columns; and of a row that is updated while its piece is read it gives the update alone, without the
large values that this leaves out.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from afflux.clients.catalog import Relation
from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login, servers
from afflux.control.seen.follow import Progress
from afflux.control.seen.look import status
from afflux.control.seen.observe import WORKERS
from afflux.control.seen.status import ShardStatus, Verdict
from afflux.control.verbs.announce import announce
from afflux.control.wanted.desired import captured
from afflux.control.wanted.settings import include_list
from afflux.errors import AffluxError, ConnectError, UsageError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import message_prefix, shard_names, table_topic
from afflux.topology.shared import shared_of

PASS_SECONDS = 60.0
"""How long a connector may take to come past a mark in the WAL."""


@dataclass(frozen=True)
class Reread:
    """What was asked of one shard.

    Attributes:
        shard: which.
        tables: at the source, `schema.table`.
        blocking: whether the shard's changes wait meanwhile.
        id: by which the sinks know it; empty where it could not be asked.
        error: why not.
        hint: what to do about that.
    """

    shard: str
    tables: tuple[str, ...]
    blocking: bool = False
    id: str = ""
    error: str = ""
    hint: str = ""


def reread(
    topology: Topology,
    topics: Collection[str],
    *,
    by: str,
    shards: Collection[str] = (),
    report: Progress | None = None,
    incremental: bool = False,
) -> list[Reread]:
    """Ask for tables of shards to be read anew.

    Args:
        topology: as loaded.
        topics: of the tables and shards that are meant.
        by: who asks.
        shards: the names of those that are meant, of topics that several have; all, where there are none.
        report: told (shard, what happened), from several threads.
        incremental: read between the shards' changes where the tables allow it; else these wait meanwhile.

    Returns:
        What was asked; a shard that can't be asked keeps no other from it.

    Raises:
        UsageError: a secret of the topology can't be found.
        ServerError: Connect does not answer.
    """
    to, tell = servers(topology), report or (lambda *_: None)
    seen = {shard.shard: shard for shard in status(topology)}

    def one(shard: Shard) -> list[Reread]:
        try:
            return _shard(topology, shard, to, seen[shard.name], topics, by=by, tell=tell, incremental=incremental)
        except AffluxError as error:
            tell(shard.name, error.message)
            return [Reread(shard.name, (), error=error.message, hint=error.hint)]

    sharing = {name for topic in topics for name in shared_of(topology, topic)[1] if not shards or name in shards}
    meant = [
        s for s in topology.shards if s.name in sharing or any(t.startswith(f"{_prefix(topology, s)}.") for t in topics)
    ]
    with ThreadPoolExecutor(WORKERS) as pool:
        return [asked for of_shard in pool.map(one, meant) for asked in of_shard]


def _shard(
    topology: Topology,
    shard: Shard,
    to: Servers,
    seen: ShardStatus,
    topics: Collection[str],
    *,
    by: str,
    tell: Progress,
    incremental: bool,
) -> list[Reread]:
    if seen.verdict is not Verdict.STREAMING:
        hint = seen.hint or "`connectors status` says what its stream is doing; ask again when it streams."
        raise ConnectError(f"shard {shard.name} does not stream ({seen.verdict}: {seen.detail})", hint=hint)
    with session(login(topology, shard)) as source:
        tables = captured(topology, shard, source.relations())
        lsn = source.mark(message_prefix(topology))
    wanted = [table for table in tables if table_topic(topology, shard, table.full_name) in topics]
    if not wanted:
        raise UsageError(f"shard {shard.name} has none of these tables")
    tell(shard.name, "waiting until the connector has passed a mark in the WAL")
    _await_passed(topology, shard, lsn)
    chunks = [table for table in wanted if incremental and table.primary_key and not table.generated]
    rest = [table for table in wanted if table not in chunks]
    return [
        _ask(topology, shard, to, some, lsn=lsn, by=by, tell=tell, blocking=some is rest)
        for some in (chunks, rest)
        if some
    ]


def _ask(
    topology: Topology,
    shard: Shard,
    to: Servers,
    tables: Sequence[Relation],
    *,
    lsn: int,
    by: str,
    tell: Progress,
    blocking: bool,
) -> Reread:
    number = announce(topology, shard, to, tables, lsn=lsn, by_signal=not blocking, by=by)
    names = tuple(table.full_name for table in tables)
    expressions = [include_list([table]) for table in tables]
    to.signals.snapshot(_prefix(topology, shard), id=number, tables=expressions, blocking=blocking)
    how = "blocking" if blocking else "incremental"
    tell(shard.name, f"{how} snapshot of {', '.join(names)} asked for")
    return Reread(shard.name, names, blocking, number)


def _await_passed(topology: Topology, shard: Shard, lsn: int) -> None:
    slot = shard_names(topology, shard).slot

    def passed() -> bool:
        with session(login(topology, shard)) as source:
            return (source.confirmed(slot) or 0) >= lsn

    try:
        Retrying(retry=retry_if_result(lambda ok: not ok), stop=stop_after_delay(PASS_SECONDS), wait=wait_fixed(0.3))(
            passed
        )
    except RetryError:
        raise ConnectError(
            f"the connector of shard {shard.name} has not passed a mark in the WAL within {PASS_SECONDS:g} s",
            hint="It is behind, or stands still: `connectors status`; ask again when it has caught up.",
            transient=True,
        ) from None


def _prefix(topology: Topology, shard: Shard) -> str:
    return shard_names(topology, shard).topic_prefix
