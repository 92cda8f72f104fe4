"""Read a shard anew after its slot was lost, so that the targets end equal: also without what was deleted meanwhile.

The old slot goes first; what it ever sent has positions below S, the end of the WAL at that moment. Each sink is told
S, then the connector forgets where it stood, makes a new slot and reads all rows: these have positions from S on. When
a sink has them all, what is left of the shard with a position below S was deleted in between, and it removes it.

Any step may be the last of a process: a mark in the connector's config says that the shard is being prepared, and
whoever comes next begins again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from afflux.clients.connect import Connect
from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login
from afflux.control.announce import announce
from afflux.control.audit import Audit, Deed
from afflux.control.desired import captured
from afflux.control.neighbours import RESYNC, UNFINISHED
from afflux.control.settings import connector_config
from afflux.control.stopping import STOP_SECONDS, stop
from afflux.errors import AffluxError, ConnectError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names

KIND = "resynchronise shard"
ORPHAN_SECONDS = 3.0
"""Before a task that was told to stop sees that its slot is gone, and ends.

Debezium looks every 2 s, for half an hour, whether an invalidated slot has a position, also when its task was given up
meanwhile (observed): the new slot must not be there before that.
"""


def prepare(topology: Topology, shard: Shard, to: Servers, audit: Audit, *, why: str, cause: str = "") -> None:
    """Prepare a shard to be read anew; the next `apply` starts its connector, which then does it.

    Args:
        topology: as loaded.
        shard: one of its shards.
        to: its servers.
        audit: told of it.
        why: the reason in words.
        cause: the failure that it answers, if one does.

    Raises:
        ServerError: a server refuses or does not answer; it can be begun again.
    """
    names = shard_names(topology, shard)
    deed = Deed(KIND, f"slot {names.slot}", shard.name, cause, why)
    with _told(audit, deed):
        with session(login(topology, shard)) as source:
            tables = captured(topology, shard, source.relations())
        config = connector_config(topology, shard, tables, exact=False)
        _halt(to.connect, names.connector, {**config, UNFINISHED: RESYNC})
        with session(login(topology, shard)) as source:
            source.drop_slot(names.slot)
            time.sleep(ORPHAN_SECONDS)
            lsn = source.position()
        announce(topology, shard, to, tables, lsn=lsn, by_signal=False, by=audit.by)
        # From here on it is an unfinished connector like any other: its offsets go before it starts.
        to.connect.put_config(names.connector, {**config, UNFINISHED: "true"})


def _halt(connect: Connect, name: str, marked: dict[str, str]) -> None:
    """Mark a connector, made if need be, and have nobody read its slot any more."""
    connect.create_stopped(name, marked)
    connect.put_config(name, marked)  # where there was one
    if not stop(connect, name):
        raise ConnectError(f"connector {name} did not stop in {STOP_SECONDS:g} s", hint="Try again.", transient=True)


@contextmanager
def _told(audit: Audit, deed: Deed) -> Iterator[None]:
    number = audit.begin(deed)
    try:
        yield
    except AffluxError as error:
        audit.end(number, deed, error.message)
        raise
    audit.end(number, deed)
