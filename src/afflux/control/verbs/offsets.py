"""Where connectors stand, as Connect stores it, beside where their slots stand; and forgetting that."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from afflux.clients.catalog import Slot
from afflux.clients.connect import Connect, Connector
from afflux.clients.postgres import session
from afflux.clients.servers import connect as connect_of
from afflux.clients.servers import login
from afflux.control.done.stopping import must_stop
from afflux.control.seen.follow import Progress
from afflux.control.seen.observe import WORKERS
from afflux.control.seen.standing import in_first_copy
from afflux.control.wanted.settings import TOPOLOGY_MARK
from afflux.errors import ServerError, SourceError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names


@dataclass(frozen=True)
class Standing:
    """Where a shard's connector stands.

    Args:
        shard: whose.
        connector: its name.
        lsn: the last position that it has stored, as PostgreSQL writes it; empty for none.
        at: when that change was made, by the shard's clock.
        first_copy: whether it is in its first copy.
        slot_lsn: up to where its slot was confirmed; empty where there is none, or the shard does not answer.
        lag_bytes: WAL written since then.
        error: why it is not known.
    """

    shard: str
    connector: str
    lsn: str = ""
    at: datetime | None = None
    first_copy: bool = False
    slot_lsn: str = ""
    lag_bytes: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Reset:
    """What became of one shard's offsets.

    Args:
        shard: whose.
        connector: its name.
        started: whether the connector runs again.
        error: why they are still there.
        hint: what to do about that.
    """

    shard: str
    connector: str
    started: bool = False
    error: str = ""
    hint: str = ""


def offsets(topology: Topology, *, only: Collection[str] | None = None) -> list[Standing]:
    """Return where connectors stand, by shard; changes nothing.

    Args:
        topology: as loaded.
        only: the names of the shards that are meant; None for all.

    Raises:
        ConnectError: Connect does not answer.
    """
    connect = connect_of(topology)
    known = connect.connectors()
    meant = [shard for shard in topology.shards if only is None or shard.name in only]
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda shard: _standing(topology, shard, connect, known), meant))


def reset_offsets(topology: Topology, *, only: Collection[str], report: Progress | None = None) -> list[Reset]:
    """Let connectors forget where they stand, so that they read all rows anew; the slots stay.

    Changes that were not read yet are passed over: rows that were deleted by them stay in the target.

    Args:
        topology: as loaded.
        only: the names of the shards that are meant.
        report: told (shard, what happened), from several threads.

    Returns:
        What became of each; one that fails stops no other.

    Raises:
        ConnectError: Connect does not answer.
    """
    connect, tell = connect_of(topology), report or (lambda *_: None)
    known = connect.connectors()

    def one(shard: Shard) -> Reset:
        name = shard_names(topology, shard).connector
        found = known.get(name)
        if found is None or found.config.get(TOPOLOGY_MARK) != topology.name:
            return Reset(shard.name, name, error="there is no connector of this topology")
        try:
            must_stop(connect, name)
            connect.delete_offsets(name)
            tell(shard.name, f"{name} has forgotten where it stood")
            if found.state in {"STOPPED", "PAUSED"}:
                return Reset(shard.name, name)
            connect.change_state(name, "resume")
        except ServerError as error:
            return Reset(shard.name, name, error=error.message, hint=error.hint)
        return Reset(shard.name, name, started=True)

    meant = [shard for shard in topology.shards if shard.name in only]
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, meant))


def _standing(topology: Topology, shard: Shard, connect: Connect, known: dict[str, Connector]) -> Standing:
    names = shard_names(topology, shard)
    slot: Slot | None = None
    error = ""
    try:
        with session(login(topology, shard)) as source:
            slot = source.slot(names.slot)
    except SourceError as raised:
        error = raised.message
    stored: list[dict[str, Any]] = []
    if names.connector in known:
        try:
            stored = connect.offsets(names.connector) or []
        except ServerError as raised:
            error = raised.message
    else:
        error = error or "there is no connector"
    last = max(stored, key=lambda offset: int(offset.get("lsn", 0)), default={})
    return Standing(
        shard=shard.name,
        connector=names.connector,
        lsn=lsn_text(int(last["lsn"])) if "lsn" in last else "",
        at=datetime.fromtimestamp(last["ts_usec"] / 1e6, UTC) if "ts_usec" in last else None,
        first_copy=any(in_first_copy(offset) for offset in stored),
        slot_lsn=lsn_text(slot.flushed) if slot and slot.flushed is not None else "",
        lag_bytes=slot.lag_bytes if slot else None,
        error=error,
    )


def lsn_text(lsn: int) -> str:
    """Write a position in the WAL as PostgreSQL does: `16/B374D848`."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
