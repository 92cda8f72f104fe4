"""Writes a table's files anew without changing a row, and lets nobody else do so at the same time.

delta-rs commits two such jobs that have both written the same rows anew, and the table has them twice (observed on
1.6.6: what a commit has removed without changing data is no conflict to it). A change of a table's properties is
one. So each job first sets a property to a mark of its own, and reads the table as of that very commit: whoever sets
his mark later makes the job's commit fail, and sees its files when it was done earlier.

Other programs set no marks. What they have put in order meanwhile is seen in the log, and the job is taken back.
"""

import json
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError

from afflux.sinks.delta.store import Store
from afflux.sinks.delta.target import Target

log = structlog.get_logger()

MARK = "afflux.upkeep"
"""The property."""

Job = Callable[[DeltaTable, CommitProperties], dict[str, Any]]
"""Writes files anew in one commit; returns what delta-rs says of it."""


def put_in_order(store: Store, target: Target, job: Job) -> dict[str, Any]:
    """Do a job that writes files anew.

    Args:
        store: the lake.
        target: the table.
        job: what is done.

    Returns:
        What delta-rs says of it.

    Raises:
        CommitFailedError: somebody else was first; nothing is changed.
    """
    target.refresh()
    table, mark = target.table, uuid.uuid4().hex
    table.alter.set_table_properties({MARK: mark}, raise_if_not_exists=False)
    if table.metadata().configuration.get(MARK) != mark:
        raise CommitFailedError("somebody else puts this table in order")
    began = table.version()
    done = job(table, CommitProperties(custom_metadata={"userMetadata": f"afflux upkeep {mark}"}))
    ended = table.version()
    mine = _removed(store, target.place, ended) if ended > began else set()
    rivals = [n for n in range(began + 1, ended) if _removed(store, target.place, n) & mine]
    if rivals:
        _take_back(target, ended, rivals[0])
    return done


def _take_back(target: Target, ended: int, rival: int) -> None:
    """Undo a job whose rows another program has written anew, too.

    Raises:
        CommitFailedError: always, for the job is to be done another time.
    """
    try:
        target.table.restore(ended - 1)
    except CommitFailedError:
        log.exception(
            "another program has put this table in order at the same time: rows are in it twice",
            table=target.name,
            versions=[rival, ended],
            hint=f"restore its version {ended - 1}, and `afflux tables resync`",
        )
        raise
    raise CommitFailedError(f"another program has put this table in order, in version {rival}")


def _removed(store: Store, place: str, version: int) -> set[str]:
    """Give the files that a version of a table has removed."""
    said = store.read(f"{place}/_delta_log/{version:020}.json") or b""
    actions = (json.loads(line) for line in said.splitlines())
    return {action["remove"]["path"] for action in actions if "remove" in action}
