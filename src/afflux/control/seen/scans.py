"""What has become of the copies that were asked for, by what the connectors tell of them (pure).

A copy in chunks is told of under its signal's id, and goes on after a restart. But under load its beginning may take
the task with it (observed on Debezium 3.7.0), and then the signal is lost. A blocking one is told of like a connector's
first copy, without the signal's id, and a restart ends it for good (observed): afterwards the connector tells that it
skips its first copy, and of the tables that were not through nobody hears again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from afflux.clients.notifications import Notice
from afflux.clients.signals import Sent
from afflux.control.seen.copies import COPIED, plain

INTERRUPTED = "INTERRUPTED"
"""A word of ours, beside Debezium's, for a copy that a restart has ended."""
SILENCE_MS = 60_000
"""How long after a restart a signal may not have been taken: Debezium looks for signals every few seconds."""


@dataclass(frozen=True)
class Scan:
    """One table's copy.

    Args:
        status: Debezium's word for its end, or `INTERRUPTED`; empty while it goes on or waits.
        rows: how many were copied, once it has ended.
        part: how much is done, from 0 to 1; None where nobody can say.
    """

    status: str = ""
    rows: int = 0
    part: float | None = None

    @property
    def ended(self) -> bool:
        """Whether it goes on no more."""
        return bool(self.status)

    @property
    def good(self) -> bool:
        """Whether all rows were copied."""
        return self.status in COPIED


@dataclass
class Copying:
    """One signal's copies, as far as they were told of.

    Args:
        sent: the signal.
    """

    sent: Sent
    scans: dict[str, Scan] = field(init=False)
    _begun: bool = field(default=False, init=False)
    _restarted: int | None = field(default=None, init=False)
    """When the connector was first told to have been restarted, in milliseconds since 1970."""
    _whole: dict[str, Scan] = field(default_factory=dict, init=False)
    """Of a blocking copy that goes on, the tables; it holds its last row back until it is told completed."""

    def __post_init__(self) -> None:
        self.scans = {plain(table): Scan() for table in self.sent.tables}

    @property
    def ended(self) -> bool:
        """Whether every table's copy has ended."""
        return all(scan.ended for scan in self.scans.values())

    @property
    def good(self) -> bool:
        """Whether every table was copied."""
        return all(scan.good for scan in self.scans.values())

    def hear(self, told: Notice) -> None:
        """Take a notification in; they come in order."""
        if told.connector != self.sent.topic_prefix or told.at < self.sent.at:
            return
        if told.kind == "SKIPPED" and self._restarted is None:
            self._restarted = told.at
        if self.sent.blocking and not told.incremental:
            self._hear_whole(told)
        elif told.incremental and told.id == self.sent.id:
            self._hear_chunk(told)

    def give_up(self, now: int) -> None:
        """Count a copy in chunks for lost of which nothing was heard for long after a restart.

        Args:
            now: in milliseconds since 1970.
        """
        silent = self._restarted is not None and now - self._restarted > SILENCE_MS
        if silent and not self._begun and not self.sent.blocking:
            self.lose()

    def lose(self) -> None:
        """Take what has not ended for interrupted, unless it goes on after a restart."""
        if self.sent.blocking or not self._begun:
            self._end_the_rest(INTERRUPTED)

    def _hear_chunk(self, told: Notice) -> None:
        self._begun = True
        current = told.more.get("current_collection_in_progress", "")
        if told.kind == "IN_PROGRESS" and current in self.scans:
            self.scans[current] = replace(self.scans[current], part=_part(told.more))
        elif told.kind == "TABLE_SCAN_COMPLETED" and told.table in self.scans:
            self.scans[told.table] = _ended(told)
        elif told.kind in {"COMPLETED", "ABORTED"}:
            self._end_the_rest(told.kind)

    def _hear_whole(self, told: Notice) -> None:
        if told.kind == "DATA_COLLECTIONS_RESOLVED":
            named = told.more.get("data_collections", "").split(",")
            waiting = {table for table, scan in self.scans.items() if not scan.ended}
            self._whole = {name: Scan() for name in map(str.strip, named) if name in waiting}
        elif told.kind == "TABLE_SCAN_COMPLETED" and told.table in self._whole:
            self._whole[told.table] = _ended(told)
        elif told.kind == "COMPLETED":
            self.scans |= {
                t: scan if scan.ended else replace(scan, status=told.kind) for t, scan in self._whole.items()
            }
            self._whole = {}
        elif told.kind in {"ABORTED", "SKIPPED"}:
            self.scans |= dict.fromkeys(self._whole, Scan(INTERRUPTED))
            self._whole = {}

    def _end_the_rest(self, status: str) -> None:
        for table, scan in self.scans.items():
            if not scan.ended:
                self.scans[table] = replace(scan, status=status)


def hear_all(copying: Iterable[Copying], told: Iterable[Notice]) -> None:
    """Let each of several signals' copies hear what was told, in order."""
    listening: dict[str, list[Copying]] = defaultdict(list)
    for each in copying:
        listening[each.sent.topic_prefix].append(each)
    for notice in told:
        for each in listening.get(notice.connector, ()):
            each.hear(notice)


def _ended(told: Notice) -> Scan:
    return Scan(told.status or "SUCCEEDED", int(told.more.get("total_rows_scanned") or 0), 1.0)


def _part(data: Mapping[str, str]) -> float | None:
    """How much of a table is through: by its key where that is a number, else by its chunks."""
    for done, whole in (("last_processed_key", "maximum_key"), ("chunk_index", "total_chunks")):
        if data.get(done, "").isdigit() and data.get(whole, "").isdigit() and int(data[whole]) > 0:
            return min(1.0, int(data[done]) / int(data[whole]))
    return None
