"""Read a shard anew after its slot was lost, so that the targets end equal: also without what was deleted meanwhile.

The old slot goes first; what it ever sent has positions below S, the end of the WAL at that moment. Each sink is told
S, then the connector forgets where it stood, makes a new slot and reads all rows: these have positions from S on. When
a sink has them all, what is left of the shard with a position below S was deleted in between, and it removes it.

Any step may be the last of a process: a mark in the connector's config says that the shard is being prepared, and
whoever comes next begins again.
"""

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from afflux.clients.connect import Connect
from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login, servers
from afflux.control.done import audit
from afflux.control.done.audit import Audit, Deed
from afflux.control.done.converge import WAIT_SECONDS, Report, apply_topology
from afflux.control.done.stopping import ORPHAN_SECONDS, must_stop
from afflux.control.planned import given
from afflux.control.seen.follow import Progress
from afflux.control.seen.neighbours import RESYNC, UNFINISHED
from afflux.control.seen.observe import WORKERS
from afflux.control.verbs.announce import announce
from afflux.control.wanted.desired import captured
from afflux.control.wanted.settings import connector_config
from afflux.errors import AffluxError, UsageError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names

KIND = "resynchronise shard"


@dataclass(frozen=True)
class Resync:
    """What became of one shard.

    Attributes:
        shard: which.
        prepared: whether it is read anew.
        error: why not.
        hint: what to do about that.
    """

    shard: str
    prepared: bool
    error: str = ""
    hint: str = ""


def resynchronise(
    topology: Topology,
    shards: Collection[str],
    *,
    report: Progress | None = None,
    wait: float = WAIT_SECONDS,
    by: str = "",
    why: str = "a person asked for it",
) -> tuple[list[Resync], Report]:
    """Read shards anew, at a person's word: the slot is made anew, all rows come again, what was deleted goes.

    Args:
        topology: as loaded.
        shards: their names.
        report: told (shard, what happened), from several threads.
        wait: seconds for the shards to stream; a first copy that takes longer goes on.
        by: who asks; empty: whoever runs this process.
        why: the reason in words.

    Returns:
        What became of each shard, one that fails stops no other; and how those that could be prepared were started.

    Raises:
        UsageError: others make the topology's connectors; a secret of the topology can't be found.
        ServerError: Connect, the broker or the registry does not answer.
    """
    if given.are_given(topology):
        raise UsageError(
            "others make the connectors of this topology, so that afflux can't have one begin anew",
            hint="Stop the connector, drop its slot and delete its offsets; then `afflux tables resync` when it streams.",
        )
    to, tell = servers(topology), report or (lambda *_: None)
    audit.prepare(topology)
    told = Audit(audit.journal(topology), by or audit.me())

    def one(shard: Shard) -> Resync:
        try:
            prepare(topology, shard, to, told, why=why)
        except AffluxError as error:
            tell(shard.name, f"can't be read anew: {error.message}")
            return Resync(shard.name, prepared=False, error=error.message, hint=error.hint)
        tell(shard.name, "the old slot is gone, the sinks know; all rows are read anew")
        return Resync(shard.name, prepared=True)

    with ThreadPoolExecutor(WORKERS) as pool:
        done = list(pool.map(one, [shard for shard in topology.shards if shard.name in shards]))
    prepared = [each.shard for each in done if each.prepared]
    return done, apply_topology(topology, report=tell, wait=wait, only=prepared)


def prepare(topology: Topology, shard: Shard, to: Servers, told: Audit, *, why: str, cause: str = "") -> None:
    """Prepare a shard to be read anew; the next `apply` starts its connector, which then does it.

    Args:
        topology: as loaded.
        shard: one of its shards.
        to: its servers.
        told: of what is done.
        why: the reason in words.
        cause: the failure that it answers, if one does.

    Raises:
        ServerError: a server refuses or does not answer; it can be begun again.
    """
    names = shard_names(topology, shard)
    deed = Deed(KIND, f"slot {names.slot}", shard.name, cause, why)
    with told.doing(deed):
        with session(login(topology, shard)) as source:
            tables = captured(topology, shard, source.relations())
        config = connector_config(topology, shard, tables, exact=False)
        _halt(to.connect, names.connector, {**config, UNFINISHED: RESYNC})
        with session(login(topology, shard)) as source:
            source.drop_slot(names.slot)
            time.sleep(ORPHAN_SECONDS)
            lsn = source.position()
        announce(topology, shard, to, tables, lsn=lsn, by_signal=False, by=told.by)
        # From here on it is an unfinished connector like any other: its offsets go before it starts.
        to.connect.put_config(names.connector, {**config, UNFINISHED: "true"})


def _halt(connect: Connect, name: str, marked: dict[str, str]) -> None:
    """Mark a connector, made if need be, and have nobody read its slot any more."""
    connect.create_stopped(name, marked)
    connect.put_config(name, marked)  # where there was one
    must_stop(connect, name)
