"""Contracts against what shards send and what they hold, and the difference between shards."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from afflux.clients.servers import servers
from afflux.contracts.compare import ABSENT, Apart, Breach, apart, breaches, together
from afflux.contracts.contract import Contract, contract_of
from afflux.contracts.seen import Seen, held, produced, shards_of, tables_of
from afflux.errors import UsageError
from afflux.topology.model import Topology


class Against(StrEnum):
    """Who is asked what tables look like."""

    REGISTRY = "registry"
    SHARDS = "shards"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a comparison.

    Attributes:
        lines: what differs.
        notes: what could not be compared yet, and why that is none of the above.
        unseen: shards that did not answer, each with the reason.
    """

    lines: tuple[Breach, ...] | tuple[Apart, ...]
    notes: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


def check(topology: Topology, contracts: Collection[Contract], against: Against) -> Verdict:
    """Compare contracts with what there is.

    Raises:
        RegistryError: the registry does not answer.
    """
    lines: list[Breach] = []
    notes: list[str] = []
    unseen: list[str] = []
    for by, seen in _ask(topology, [contract.table for contract in contracts], against):
        unseen += _unseen(seen)
        for contract in contracts:
            here = seen.shapes[contract.table]
            lines += together({shard: breaches(contract, shape) for shard, shape in here.items()}, by)
            lacking = [
                s.name for s in shards_of(topology, contract.table) if s.name not in here and s.name not in seen.unseen
            ]
            if lacking and (by == Against.SHARDS or not here):
                lines.append(Breach(contract.table, "", "table", "a table", ABSENT, tuple(lacking), by))
            elif lacking:
                notes.append(f"{contract.table}: {', '.join(lacking)} sent no event of it yet")
    return Verdict(tuple(lines), tuple(notes), tuple(unseen))


def diff(topology: Topology, tables: Collection[str], against: Against) -> Verdict:
    """Compare shards with each other.

    Args:
        topology: its shards resolved.
        tables: which, as `schema.table`; all that any shard has sent events of when there are none.
        against: who is asked.

    Raises:
        RegistryError: the registry does not answer.
        UsageError: no shard has such a table.
    """
    named = list(tables) or tables_of(topology, servers(topology).registry)
    lines: list[Apart] = []
    notes: list[str] = []
    unseen: list[str] = []
    for by, seen in _ask(topology, named, against):
        unseen += _unseen(seen)
        for table in named:
            here = seen.shapes[table]
            if table in tables:
                _exists(table, here, by)
            lines += apart(table, here)
            notes += [
                f"{table}: {shard.name} has none in the {by}"
                for shard in shards_of(topology, table)
                if shard.name not in here and shard.name not in seen.unseen
            ]
    return Verdict(tuple(lines), tuple(notes), tuple(unseen))


def draft(topology: Topology, table: str, against: Against) -> Contract:
    """Make a contract of what a table looks like now.

    Raises:
        UsageError: no shard has it, shards differ, or one can't be asked.
        RegistryError: the registry does not answer.
    """
    ((by, seen),) = _ask(topology, [table], against)
    here = seen.shapes[table]
    for error in seen.unseen.values():
        raise error
    _exists(table, here, by)
    if apart(table, here):
        raise UsageError(
            f"table {table} is not the same on all shards, so that no contract fits",
            hint=f"`afflux schemas diff {table} --against {by}` shows where",
        )
    return contract_of(table, next(iter(here.values())))


def _ask(topology: Topology, tables: Collection[str], against: Against) -> Iterable[tuple[str, Seen]]:
    if against != Against.SHARDS:
        yield Against.REGISTRY.value, produced(topology, servers(topology).registry, tables)
    if against != Against.REGISTRY:
        yield Against.SHARDS.value, held(topology, tables)


def _unseen(seen: Seen) -> list[str]:
    return [error.message for error in seen.unseen.values()]


def _exists(table: str, here: Collection[str], by: str) -> None:
    if not here:
        raise UsageError(
            f"no shard has a table {table}, as the {by} says",
            hint="names are schema.table, with their capitals; `afflux schemas list` shows those of the registry",
        )
