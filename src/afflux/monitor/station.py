"""Where everything that is watched comes together: looks, metrics, alerts, and what has to be done at last.

look -> metrics -> alerts -> told where the topology says; and, of a shard in danger, a last resort
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from afflux.errors import AffluxError
from afflux.monitor.alarms import Alarms, Alert
from afflux.monitor.alerts import policy_of
from afflux.monitor.exposed import samples
from afflux.monitor.guard import LastResort, decide
from afflux.monitor.notices import notices_of
from afflux.monitor.watch import Readings, Watch
from afflux.telemetry import metrics
from afflux.topology.model import Topology

log = structlog.get_logger()

LOOK_SECONDS: Final = 10.0
"""From one look to the next."""
SURE: Final = 2
"""Looks one after the other that must say so before a slot is dropped."""

Act = Callable[[LastResort], None]
"""Carries a last resort out; may raise AffluxError, and is asked again then."""


class Station:
    """Watches a topology from a thread of its own, so that nothing that is healed meanwhile delays a look.

    Of several supervisors only the one that leads shows, tells and acts. While the broker is away nobody leads, and
    that is when slots fill: then each of them does, and what they may do twice is safe to do twice.

    Args:
        topology: the declared whole, its shards resolved.
        act: carries last resorts out; None: nothing is ever dropped.
        leads: tells whether this process is the one that acts.
    """

    def __init__(self, topology: Topology, *, act: Act | None = None, leads: Callable[[], bool] = lambda: True) -> None:
        self._topology, self._act, self._leads = topology, act, leads
        self._speaks = False
        self._watch, self._alarms = Watch(), Alarms()
        self._notices = notices_of(topology)
        self._sure: dict[str, int] = {}
        self._readings: Readings | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def readings(self) -> Readings | None:
        """What the last look said; None before the first."""
        return self._readings

    @property
    def alerts(self) -> list[Alert]:
        """The alerts that are not over, pages first."""
        return self._alarms.present

    def follow(self, topology: Topology) -> None:
        """Watch a changed topology from the next look on."""
        if topology.monitor.alerts.webhooks != self._topology.monitor.alerts.webhooks:
            for notice in self._notices:
                notice.close()
            self._notices = notices_of(topology)
        self._topology = topology

    def start(self) -> None:
        """Begin to look, every ten seconds."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="station", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Look no more, and show no metrics any more; a look under way is ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        metrics.WATCHED.show(())

    def close(self) -> None:
        """Stop, and let go of all servers."""
        self.stop()
        self._watch.close()
        for notice in self._notices:
            notice.close()

    def turn(self) -> Readings:
        """Look once, show and tell what is seen, and do what has to be done at last."""
        topology = self._topology
        self._readings = readings = self._watch.look(topology)
        found = list(samples(readings))
        news = self._alarms.judge(policy_of(topology), found, readings.at.timestamp())
        spoke, self._speaks = self._speaks, self._leads() or bool(readings.parts["kafka"].problem)
        metrics.WATCHED.show(found if self._speaks else ())
        if self._speaks:
            self._tell(news if spoke else self._alarms.present)
            self._act_on({last.shard: last for last in decide(topology.source.guard, readings)})
        return readings

    def _run(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self.turn()
            except AffluxError as error:
                log.warning("can't look", reason=error.message, hint=error.hint)
            except Exception:  # a fault in one look must not blind all that come after it
                log.exception("look failed")
            self._stop.wait(max(0.0, LOOK_SECONDS - (time.monotonic() - begun)))

    def _tell(self, alerts: Sequence[Alert]) -> None:
        for notice in self._notices if alerts else ():
            notice.tell(alerts)

    def _act_on(self, lasts: Mapping[str, LastResort]) -> None:
        self._sure = {shard: self._sure.get(shard, 0) + 1 for shard in lasts}
        for shard, last in lasts.items():
            if self._act is not None and self._sure[shard] >= SURE:
                log.error("last resort", shard=shard, slot=last.slot, reason=last.reason)
                try:
                    self._act(last)
                except AffluxError as error:
                    log.error("last resort failed", shard=shard, reason=error.message, hint=error.hint)  # noqa: TRY400 - its text says it all
