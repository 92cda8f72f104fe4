"""The control daemon: keeps the world as the topology says, and heals what fails.

Each round looks at every shard (`examine`), says what each has (`ward`, `causes`), and treats it (`treat`). What the
topology asks for is compared with the world once a minute, and at once when something is new. Beside that the WAL, the
topics and the targets are watched (`monitor.station`). Of several supervisors of a topology the one that holds the
lease acts; the others stand by.
"""

import threading
import time

import structlog

from afflux.clients.lease import SESSION_SECONDS, Lease
from afflux.clients.servers import connect, servers
from afflux.control.done import audit
from afflux.control.done.audit import Audit, Record
from afflux.control.healing.rounds import Rounds
from afflux.control.healing.rows import Row, rows
from afflux.control.seen import look
from afflux.control.seen.status import ShardStatus
from afflux.errors import ServerError, UsageError
from afflux.monitor.guard import LastResort
from afflux.monitor.page import Seen
from afflux.monitor.station import Station
from afflux.supervise import last_resort
from afflux.telemetry import metrics
from afflux.topology.model import Topology
from afflux.topology.names import control_group, control_topic
from afflux.topology.secrets import resolve
from afflux.topology.watch import Follows

log = structlog.get_logger()

LOOK_SECONDS = 10.0
QUICK_SECONDS = 2.0
"""Between rounds while something was just found or done."""
QUICK_FOR = 60.0
_STUCK_SECONDS = 300.0


class Supervisor:
    """Supervises one topology.

    Args:
        topology: the declared whole, its shards resolved.
        follows: tells of changes of the topology; None to follow none.
        resynchronise: whether a shard whose slot was lost may be read anew without a person.
    """

    def __init__(self, topology: Topology, *, follows: Follows | None = None, resynchronise: bool = False) -> None:
        self._topology, self._follows = topology, follows
        self._allowed = resynchronise
        self._wake, self._stop, self._again = threading.Event(), threading.Event(), threading.Event()
        self._lease = self._new_lease()
        self._rounds = self._new_rounds()
        self._station = Station(topology, leads=lambda: self.leads, act=self._save)
        self._waiting = "not begun yet"
        self._streams: dict[str, ShardStatus] = {}
        self._begun = False
        self._next_topology = self._quick_until = 0.0
        self._lived = time.monotonic()

    # --- what others ask ------------------------------------------------------------------------

    @property
    def topology(self) -> Topology:
        """The topology as it is now."""
        return self._topology

    @property
    def leads(self) -> bool:
        """Whether this is the supervisor that acts."""
        return self._lease.held

    @property
    def rows(self) -> list[Row]:
        """Every shard, as of the last round; none where another supervisor acts."""
        return rows(self._rounds.ward, time.monotonic())

    def seen(self) -> Seen | None:
        """Give what was last seen, for the page; None before the first look."""
        readings = self._station.readings
        if readings is None:
            return None
        return Seen(
            topology=self._topology,
            readings=readings,
            streams=self._streams,
            rows=self.rows,
            alerts=self._station.alerts,
            leads=self.leads,
            waiting=self._waiting,
        )

    def deeds(self) -> list[Record]:
        """Read what was done lately, by whichever supervisor; raises KafkaError when the topic can't be read."""
        return audit.newest(self._topology)

    def leader(self) -> str:
        """Ask the broker who acts; empty where it does not say."""
        return self._lease.holder()

    def alive(self) -> str:
        """Say why the process should be restarted; empty when it should not."""
        idle = time.monotonic() - self._lived
        return f"the main loop has not come round for {idle:.0f} s" if idle > _STUCK_SECONDS else ""

    def started(self) -> str:
        """Say why it has not begun to work yet; empty when it has."""
        return "" if self._begun else self._waiting

    def ready(self) -> str:
        """Say why it can do nothing at present; empty when it works, or stands by."""
        return self._waiting

    def stop(self) -> None:
        """Ask for the end; a deed under way is finished, and the lease is given up."""
        self._stop.set()
        self._wake.set()

    def reread(self) -> None:
        """Ask for the topology to be read again, and for a round, now."""
        self._again.set()
        self._wake.set()

    # --- the loop -------------------------------------------------------------------------------

    def run(self) -> None:
        """Supervise until stopped."""
        self._station.start()
        try:
            self._join()
            while not self._stop.is_set():
                self._turn()
                self._sleep(QUICK_SECONDS if time.monotonic() < self._quick_until else LOOK_SECONDS)
        finally:
            self._station.close()
            self._lease.close()

    def once(self, patience: float) -> list[Row]:
        """Supervise until nothing is left to do or to wait for, or the patience is over.

        Args:
            patience: in seconds, counted from the lease on.

        Returns:
            Every shard; none at all where another supervisor has the lease.
        """
        self._join()
        try:
            # One that was killed holds the lease until its session ends.
            until = time.monotonic() + SESSION_SECONDS + 5
            while not self.leads and time.monotonic() < until and not self._stop.is_set():
                self._sleep(0.5)
            until = time.monotonic() + patience
            while self.leads and not self._stop.is_set():
                self._turn()
                if time.monotonic() >= until or (not self._waiting and self._rounds.settled()):
                    break
                self._sleep(QUICK_SECONDS)
            return self.rows
        finally:
            self._lease.close()

    def _join(self) -> None:
        """Make the control topic and ask for the lease, however long the broker is away."""
        while not self._stop.is_set():
            self._lived = time.monotonic()
            try:
                audit.prepare(self._topology)
                break
            except ServerError as error:
                self._wait_for(error)
                self._sleep(QUICK_SECONDS)
        self._lease.start()
        self._begun = True

    def _turn(self) -> None:
        self._lived = now = time.monotonic()
        if self._again.is_set():
            self._again.clear()
            self._next_topology = 0.0
            self._rounds.plan_soon()
        if now >= self._next_topology:
            self._next_topology = now + LOOK_SECONDS
            self._follow_topology()
        metrics.LEADS.set(self.leads)
        try:
            if not self.leads:
                self._stand_by()
                return
            with metrics.ROUND_SECONDS.time():
                if self._rounds.turn(now):
                    self._quick_until = time.monotonic() + QUICK_FOR
        except (ServerError, UsageError) as error:
            self._wait_for(error)
            return
        self._streams = {name: seen.status for name, seen in self._rounds.ward.looks.items()}
        if self._waiting:
            log.info("working")
        self._waiting = ""

    def _stand_by(self) -> None:
        self._rounds = self._new_rounds()
        # Whoever looks at this one's page is to see what streams do; of the shards' cases the other one knows.
        self._streams = {status.shard: status for status in look.status(self._topology)}
        self._waiting = ""

    def _follow_topology(self) -> None:
        topology = self._follows.poll() if self._follows else None
        if topology is None:
            return
        log.info("topology reread", shards=len(topology.shards), tables=len(topology.tables))
        old, self._topology = self._topology, topology
        self._station.follow(topology)
        if (old.name, old.kafka) == (topology.name, topology.kafka):
            self._rounds.follow(topology, servers(topology))
            return
        self._lease.close()
        self._lease, self._rounds = self._new_lease(), self._new_rounds()
        self._join()

    def _new_lease(self) -> Lease:
        kafka = self._topology.kafka
        return Lease(
            resolve(kafka.bootstrap_servers),
            {key: resolve(value) for key, value in kafka.properties.items()},
            control_topic(self._topology),
            group=control_group(self._topology),
            name=audit.me(),
            on_change=self._changed,
        )

    def _new_rounds(self) -> Rounds:
        return Rounds(
            self._topology,
            servers(self._topology),
            audit.journal(self._topology),
            by=audit.me(),
            may=lambda: self.leads,
            resynchronise=self._allowed,
        )

    def _save(self, last: LastResort) -> None:
        """Drop a slot that the guard gives up; called from the station's thread."""
        topology = self._topology
        shard = next((shard for shard in topology.shards if shard.name == last.shard), None)
        if shard is not None:
            told = Audit(audit.journal(topology), audit.me())
            last_resort.save(topology, shard, connect(topology), told, last)
            self._wake.set()

    def _changed(self, held: bool) -> None:
        log.info("leading" if held else "standing by")
        self._wake.set()

    def _wait_for(self, error: ServerError | UsageError) -> None:
        if error.message != self._waiting:
            log.warning("waiting", reason=error.message, hint=error.hint)
        self._waiting = error.message

    def _sleep(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()
