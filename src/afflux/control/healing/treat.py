"""What a supervisor does about what it has found; every deed is audited, and may be done again."""

import random
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import structlog

from afflux.clients.servers import Servers
from afflux.control.done.apply import Run
from afflux.control.done.audit import Audit, Deed
from afflux.control.done.carry import carry_out
from afflux.control.healing.cases import Case
from afflux.control.healing.causes import Remedy
from afflux.control.healing.ward import Ward, safe
from afflux.control.planned.actions import Action
from afflux.control.planned.plan import Plan
from afflux.control.planned.stream_plan import publication
from afflux.control.seen.observe import WORKERS
from afflux.control.seen.world import ShardWorld, World
from afflux.control.verbs import resync
from afflux.control.wanted.desired import desired
from afflux.errors import AffluxError
from afflux.telemetry import metrics
from afflux.topology.model import Topology

log = structlog.get_logger()

MOST_RESTARTS = 20
"""In one round: a cluster that comes back with hundreds of failed tasks gets them one after the other."""


class Treatment:
    """Treats the shards of a topology.

    Args:
        topology: as loaded.
        to: its servers.
        audit: told of every deed.
        ward: what is known of the shards.
        may: asked before each deed whether this process may still act.
    """

    def __init__(self, topology: Topology, to: Servers, audit: Audit, ward: Ward, may: Callable[[], bool]) -> None:
        self._topology, self._to, self._audit, self._ward, self._may = topology, to, audit, ward, may

    def mend(self, plan: Plan, shards: Collection[str]) -> set[str]:
        """Carry out what is safe of a plan.

        Args:
            plan: of now.
            shards: those that may be touched.

        Returns:
            The shards of which something could not be done; the empty name for what all share.
        """
        chosen = safe(plan, self._ward.looks, shards)
        if not chosen.actions or not self._may():
            return set()
        touched = {action.shard for action in chosen.actions}
        narrow = [shard for shard in self._topology.shards if shard.name in touched]
        source = self._topology.source.model_copy(update={"shards": narrow})
        topology = self._topology.model_copy(update={"source": source})
        begun = {id(action): (deed := self._deed(action), self._audit.begin(deed)) for action in chosen.actions}
        failed = set()
        for outcome in Run(topology, self._to, 0.0, _progress).carry_out(chosen):
            error = outcome.error or ("not tried" if outcome.skipped else "")
            self._end(*begun[id(outcome.action)], error)
            if error:
                failed.add(outcome.action.shard)
        return failed

    def publish(self, world: World, shards: Collection[str], now: float) -> set[str]:
        """Make publications again that went while their slots stayed; returns the shards of which that was done.

        A plan asks a person first, for changes may be missing then; what was not changed meanwhile goes on, though,
        and on newer servers every moment without one loses more. Whether any is missing is looked for afterwards.
        """
        done = set()
        for shard in (shard for shard in self._topology.shards if shard.name in shards):
            seen = world.shards.get(shard.name)
            if not isinstance(seen, ShardWorld) or not self._may():
                continue
            self._ward.treated(shard.name, now, random.random)
            wanted = desired(self._topology, shard, seen.relations, exact=False)
            for action in publication(shard, replace(seen, publication=None), wanted, ()):
                if self._do(self._deed(action), partial(carry_out, self._topology, self._to, action)):
                    done.add(shard.name)
        return done

    def restart(self, shards: Collection[str], now: float) -> set[str]:
        """Restart the connectors of some shards; returns those that were told to."""
        chosen = sorted(shards)[:MOST_RESTARTS]
        for shard in chosen:
            self._ward.treated(shard, now, random.random)
        with ThreadPoolExecutor(WORKERS) as pool:
            return {shard for shard, done in zip(chosen, pool.map(self._restart, chosen), strict=True) if done}

    def resynchronise(self, shards: Collection[str], now: float) -> set[str]:
        """Prepare shards to be read anew; returns those that are."""
        prepared = set()
        for shard in (shard for shard in self._topology.shards if shard.name in shards):
            if not self._may():
                break
            self._ward.treated(shard.name, now, random.random)
            finding = self._ward.cases[shard.name].finding
            try:
                resync.prepare(
                    self._topology, shard, self._to, self._audit, why=finding.detail, cause=finding.cause.name
                )
            except AffluxError as error:
                metrics.ACTIONS.labels(resync.KIND, "failed").inc()
                log.warning("can't resynchronise", shard=shard.name, error=error.message, hint=error.hint)
            else:
                metrics.ACTIONS.labels(resync.KIND, "done").inc()
                prepared.add(shard.name)
        return prepared

    def _restart(self, shard: str) -> bool:
        if not self._may():
            return False
        look, case = self._ward.looks[shard], self._ward.cases[shard]
        name = look.names.connector
        deed = Deed("restart connector", f"connector {name}", shard, _cause(case), case.finding.detail)
        only_failed = self._ward.evidence(shard, planned=False).failed
        return self._do(deed, lambda: self._to.connect.restart(name, only_failed=only_failed))

    def _deed(self, action: Action) -> Deed:
        cause = _cause(self._ward.cases.get(action.shard))
        return Deed(action.kind, action.object, action.shard, cause, action.reason, tuple(action.changes()))

    def _do(self, deed: Deed, do: Callable[[], None]) -> bool:
        number = self._audit.begin(deed)
        error = ""
        try:
            do()
        except AffluxError as raised:
            error = raised.message
        self._end(deed, number, error)
        return not error

    def _end(self, deed: Deed, number: str, error: str) -> None:
        self._audit.end(number, deed, error)
        metrics.ACTIONS.labels(deed.action, "failed" if error else "done").inc()


def restartable(case: Case, *, failed: bool) -> bool:
    """Whether a restart is what a case asks for; what waits for a person is tried from time to time, too."""
    return case.finding.remedy is Remedy.RESTART or (case.finding.remedy is Remedy.ASK and failed)


def _cause(case: Case | None) -> str:
    return case.finding.cause.name if case and case.open else ""


def _progress(shard: str, what: str) -> None:
    log.debug("progress", shard=shard, what=what)
