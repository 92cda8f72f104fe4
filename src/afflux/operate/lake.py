"""A lake's tables for its operator: how their files lie, put in order and cleared by hand."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from afflux.errors import UsageError
from afflux.sinks.delta.keeper import Keeper, files_of
from afflux.sinks.delta.ledger import TABLES, Ledger
from afflux.sinks.delta.store import errors, store_of
from afflux.sinks.delta.tables import Tables
from afflux.sinks.delta.target import Target
from afflux.topology.model import Topology
from afflux.topology.names import consumer_group
from afflux.topology.sinks import DeltaSink, Sink


@dataclass(frozen=True, slots=True)
class Lying:
    """How a table lies in the lake.

    Attributes:
        table: its name; one of afflux's own begins with `_afflux`.
        version: of the Delta log.
        written: when that was committed.
        rows: how many.
        files: in how many files.
        small: how many of them are small.
        bytes: all of them together.
        partition_by: the columns that part it into folders.
        order_by: the columns by which rows are laid close together.
        protocol: what a reader and a writer have to know, as in Delta's protocol.
    """

    table: str
    version: int
    written: datetime
    rows: int
    files: int
    small: int
    bytes: int
    partition_by: tuple[str, ...]
    order_by: tuple[str, ...]
    protocol: str


class LakeDesk:
    """One lake of a topology for an operator. Safe beside daemons: what they commit first is not undone.

    Args:
        topology: the declared whole.
        sink: which of its sinks.

    Raises:
        UsageError: it is no lake.
    """

    def __init__(self, topology: Topology, sink: Sink) -> None:
        if not isinstance(sink, DeltaSink):
            raise UsageError(f"sink {sink.name!r} is no lake", hint="`afflux lake` is for sinks of type delta")
        store = store_of(sink)
        self._sink = sink
        self._ledger = Ledger(store, topology.name, consumer_group(topology, sink))
        self._tables = Tables(store, self._ledger.place, sink)
        self._keeper = Keeper(store, sink.upkeep)

    def status(self, names: Collection[str] = ()) -> list[Lying]:
        """Give how tables lie; all of them without names."""
        return [self._lying(target) for target in self._targets(names)]

    def optimize(self, names: Collection[str] = (), *, order: bool = True) -> Iterator[str]:
        """Put small files together, and lay rows in order; gives a line a table.

        Args:
            names: of the tables; all without any.
            order: whether to lay rows in order too, which writes the whole table anew.
        """
        for target in self._targets(names):
            with errors(self._sink.name, f"put table {target.name} in order"):
                by = self._tables.order_of(target)
                done = self._keeper.order(target, by) if order and by else self._keeper.compact(target)
                target.table.create_checkpoint()
            yield f"{target.name}: {done['numFilesRemoved']} file(s) into {done['numFilesAdded']}"

    def vacuum(self, names: Collection[str] = (), *, dry_run: bool = False) -> Iterator[tuple[str, list[str]]]:
        """Remove the files that no version within the retention needs; gives a table's name and its files.

        Args:
            names: of the tables; all without any.
            dry_run: whether only to say which they are.
        """
        for target in self._targets(names):
            with errors(self._sink.name, f"vacuum table {target.name}"):
                found = self._keeper.vacuum(target, dry_run=dry_run)
            yield target.name, found

    def _targets(self, names: Collection[str]) -> list[Target]:
        with errors(self._sink.name, "read the state"):
            there = self._ledger.open(make=False)
            places = sorted(self._ledger.others(TABLES)) if there else []
            found = [self._tables.at(place) for place in places]
        unknown = set(names) - {target.name for target in found}
        if unknown:
            raise UsageError(
                f"the lake of sink {self._sink.name!r} has no table {min(unknown)}",
                hint="`afflux lake status` lists its tables",
            )
        return [target for target in found if not names or target.name in names]

    def _lying(self, target: Target) -> Lying:
        with errors(self._sink.name, f"read table {target.name}"):
            files, protocol = files_of(target), target.table.protocol()
            (last,) = target.table.history(1)
            features = sorted({*(protocol.reader_features or ()), *(protocol.writer_features or ())})
            return Lying(
                table=target.name,
                version=target.table.version(),
                written=datetime.fromtimestamp(last["timestamp"] / 1000, UTC),
                rows=files.rows,
                files=len(files.sizes),
                small=files.small(self._sink.upkeep),
                bytes=files.bytes,
                partition_by=tuple(target.table.metadata().partition_columns),
                order_by=tuple(self._tables.order_of(target)),
                protocol=" ".join([f"{protocol.min_reader_version}/{protocol.min_writer_version}", *features]),
            )
