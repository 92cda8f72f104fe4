"""Drop a slot to save its shard: the disk is about to fill, and the topology allows it (`source.guard.last_resort`).

The changes since the slot was last read are gone then. The connector is stopped, so that nothing else happens to the
shard by itself: it counts as one whose slot is gone, and is read anew as such (`resync.py`). What stands in the way of
that, such as a Connect or a broker that is away, does not stand in the way of saving the shard.
"""

import structlog

from afflux.clients.connect import Connect
from afflux.clients.postgres import session
from afflux.clients.servers import login
from afflux.control.done.audit import Audit, Deed
from afflux.control.done.stopping import must_stop
from afflux.control.planned.changes import Change
from afflux.errors import AffluxError, ConnectError
from afflux.monitor.guard import LastResort
from afflux.monitor.units import size
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names

log = structlog.get_logger()

KIND = "drop slot"
CAUSE = "last resort"


def save(topology: Topology, shard: Shard, connect: Connect, audit: Audit, last: LastResort) -> None:
    """Drop a shard's slot, whoever reads it.

    Args:
        topology: as loaded.
        shard: one of its shards.
        connect: where its connector is.
        audit: told of it.
        last: what was decided, and why.

    Raises:
        SourceError: the shard refuses or does not answer; it can be done again.
    """
    kept = "" if last.retained is None else size(last.retained)
    change = Change("WAL kept for the slot", kept, None)
    deed = Deed(KIND, f"slot {last.slot}", shard.name, CAUSE, last.reason, (change,))
    number = audit.begin(deed)
    try:
        _try_to_stop(connect, shard_names(topology, shard).connector)
        with session(login(topology, shard)) as source:
            source.drop_slot(last.slot, force=True)
    except AffluxError as error:
        audit.end(number, deed, error.message)
        raise
    audit.end(number, deed)


def _try_to_stop(connect: Connect, name: str) -> None:
    try:
        must_stop(connect, name)
    except ConnectError as error:
        log.warning("connector not stopped", connector=name, reason=error.message)
