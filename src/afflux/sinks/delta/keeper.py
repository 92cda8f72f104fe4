"""Keeps a lake's files in order, beside the writer and between its batches; readers go on meanwhile.

Every job is a commit of its own that changes no row. Where somebody else commits first it comes to nothing, and is
done another time. Files that no version within the retention needs are removed: those that were replaced, and what
a writer that was killed has left.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import structlog
from deltalake import CommitProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from afflux.sinks.delta.ordering import put_in_order
from afflux.sinks.delta.store import COMPRESSED, Store
from afflux.sinks.delta.target import Target
from afflux.sinks.delta.upkeep import Files, Job, Wear, due
from afflux.sinks.reference.settle import KIND
from afflux.topology.sinks import Upkeep

log = structlog.get_logger()

_LOOK_EVERY = 10
"""Batches of a table between two looks at its files."""
_VACUUMS = 24
"""In the time that a version is kept, replaced files are looked for so many times; but not more than every minute."""
_ATTEMPTS = 5
"""To say in a table's log that it was vacuumed, beside a writer."""
_DEPARTED_FOR = timedelta(days=7)
"""How long a row that changed its key is kept for the other half of the change, which mostly needs nothing of it."""
_COMMIT = CommitProperties(custom_metadata={"userMetadata": "afflux upkeep"})


@dataclass
class _Kept:
    """What this process knows of a table's state."""

    wear: Wear = field(default_factory=Wear)
    batches: int = 0
    vacuumed: float = field(default_factory=time.monotonic)


class Keeper:
    """Sees to tables after batches.

    Args:
        store: the lake.
        upkeep: the topology's wishes.
    """

    def __init__(self, store: Store, upkeep: Upkeep) -> None:
        self._store, self._upkeep = store, upkeep
        self._kept: dict[str, _Kept] = {}

    def after(self, target: Target, counts: dict[str, Any], order_by: Sequence[str]) -> None:
        """Do what a table needs after a batch; nothing most of the time. A failure is logged, and no more.

        Args:
            target: the table.
            counts: what delta-rs counted when the batch was written.
            order_by: the columns by which rows are laid close together, as the table calls them; none where that
                does not matter.
        """
        kept = self._kept.setdefault(target.place, _Kept())
        changed = sum(counts.get(f"num_target_rows_{what}", 0) for what in ("inserted", "updated", "deleted"))
        kept.wear.worn(changed, counts.get("num_target_rows_copied", 0))
        kept.batches += 1
        if kept.batches % _LOOK_EVERY:
            return
        try:
            wanted = due(files_of(target), kept.wear, self._upkeep, can_order=bool(order_by))
            job = wanted if self._upkeep.optimize else None
            if job is Job.ORDER:
                self.order(target, order_by)
                kept.wear.ordered()
            elif job is Job.COMPACT:
                self.compact(target)
            elif time.monotonic() - kept.vacuumed > max(60.0, self._upkeep.retention_seconds / _VACUUMS):
                kept.vacuumed = time.monotonic()
                self.vacuum(target)
        except (DeltaError, OSError) as error:
            log.info("upkeep put off", table=target.name, reason=str(error).splitlines()[0][:300])

    def compact(self, target: Target) -> dict[str, Any]:
        """Put small files together; returns what delta-rs says of it."""
        target.refresh()
        size = files_of(target).wanted(self._upkeep)
        done = put_in_order(
            self._store,
            target,
            lambda table, commit: table.optimize.compact(
                target_size=size, writer_properties=COMPRESSED, commit_properties=commit
            ),
        )
        log.info("compacted", table=target.name, files=done["numFilesRemoved"], into=done["numFilesAdded"])
        return done

    def order(self, target: Target, order_by: Sequence[str]) -> dict[str, Any]:
        """Lay all rows anew in order; returns what delta-rs says of it."""
        target.refresh()
        size = files_of(target).wanted(self._upkeep)
        done = put_in_order(
            self._store,
            target,
            lambda table, commit: table.optimize.z_order(
                [*order_by], target_size=size, writer_properties=COMPRESSED, commit_properties=commit
            ),
        )
        log.info(
            "put in order", table=target.name, by=[*order_by], files=done["numFilesRemoved"], into=done["numFilesAdded"]
        )
        return done

    def vacuum(self, target: Target, *, dry_run: bool = False) -> list[str]:
        """Remove the files that no version within the table's retention needs, and what killed writers have left.

        Returns:
            The files.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                found = self._vacuumed(target, dry_run=dry_run)
                break
            except CommitFailedError:  # the writer was first
                if attempt == _ATTEMPTS:
                    raise
        found += self._sweep(target.place, dry_run=dry_run)
        if found and not dry_run:
            log.info("vacuumed", table=target.name, files=len(found))
        return found

    def _vacuumed(self, target: Target, *, dry_run: bool) -> list[str]:
        target.refresh()
        if KIND in target.types and not dry_run:
            target.forget_departed(datetime.now(UTC) - _DEPARTED_FOR)
            target.refresh()
        return list(target.table.vacuum(dry_run=dry_run, full=True, commit_properties=_COMMIT))

    def _sweep(self, place: str, *, dry_run: bool) -> list[str]:
        """Remove half-written files, which delta-rs does not see (`name#1`, observed on 1.6.6); on disks alone."""
        if not self._store.is_local:
            return []
        before = time.time() - self._upkeep.retention_seconds
        folder = Path(self._store.uri(place).removeprefix("file://"))
        left = [path for path in folder.rglob("*#*") if path.is_file() and path.stat().st_mtime < before]
        for path in left if not dry_run else ():
            path.unlink(missing_ok=True)
        return [str(path.relative_to(folder)) for path in left]


def files_of(target: Target) -> Files:
    """Read how large a table's files are."""
    actions = pl.DataFrame(pa.table(target.table.get_add_actions()))
    return Files(tuple(actions["size_bytes"].to_list()), int(actions["num_records"].sum() or 0))
