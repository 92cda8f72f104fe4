"""One round after the other of a supervisor that acts: look at every shard, say what each has, treat it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import structlog

from afflux.clients.journal import Journal
from afflux.clients.servers import Servers
from afflux.control.done.audit import Audit
from afflux.control.healing import memory
from afflux.control.healing.causes import Finding, Remedy, publications
from afflux.control.healing.memory import Memory
from afflux.control.healing.rows import measure, tell
from afflux.control.healing.treat import Treatment, restartable
from afflux.control.healing.ward import Ward
from afflux.control.planned import given
from afflux.control.planned.plan import Plan, make_plan
from afflux.control.seen.examine import answering, decodable, examine, overrun
from afflux.control.seen.observe import WORKERS, observe
from afflux.control.seen.world import World
from afflux.topology.model import Shard, Topology

log = structlog.get_logger()

PLAN_SECONDS = 60.0
PROBE_SECONDS = 13.0
"""Not in step with Debezium's own tries, which take the slot for a moment every ten seconds."""
REFUSED_SECONDS = 60.0
"""Before what could not be mended is tried again."""


class Rounds:
    """What one supervisor does while it has the lease.

    Args:
        topology: as loaded.
        to: its servers.
        journal: its control topic.
        by: who acts.
        may: asked before each deed whether this process may still act.
        resynchronise: whether a shard whose slot was lost may be read anew without a person.
    """

    def __init__(
        self,
        topology: Topology,
        to: Servers,
        journal: Journal,
        *,
        by: str,
        may: Callable[[], bool],
        resynchronise: bool,
    ) -> None:
        self._topology, self._to, self._journal = topology, to, journal
        self._audit = Audit(journal, by)
        self._may, self._resynchronise = may, resynchronise
        self.ward = Ward()
        self._world = World(shards={})
        self._written: dict[str, Memory] | None = None
        """What the control topic tells of the shards; None while it was not read."""
        self._next_plan = 0.0
        self._probed: dict[str, float] = {}
        self._refused: dict[str, float] = {}

    def follow(self, topology: Topology, to: Servers) -> None:
        """Go on with a changed topology."""
        self._topology, self._to = topology, to
        self.plan_soon()

    def plan_soon(self) -> None:
        """Compare the topology with the world in the next round."""
        self._next_plan = 0.0

    def turn(self, now: float) -> bool:
        """Go round once; returns whether anything was found or done.

        Raises:
            UsageError: the topology asks for what can't be.
            ServerError: Connect, the broker or the registry does not answer.
        """
        ward = self.ward
        if self._written is None:
            ward.known = memory.load(self._journal.entries())
            self._written = dict(ward.known)
        ward.see(examine(self._topology, self._to), now)
        ward.heard(answering(ward.looks.values()))
        self._probe(now)
        self._remember()
        findings = self._findings(planned=False)
        planned = now >= self._next_plan or bool(ward.news(findings) or ward.due(now))
        if planned:
            ward.plan = self._planned(ward.plan)
            self._next_plan = now + PLAN_SECONDS
            findings = self._findings(planned=True)
        news, before = ward.news(findings), dict(ward.cases)
        ward.diagnosed(findings, now)
        tell(ward, before, news, now)
        acted = self._treat(findings, now, planned=planned)
        measure(ward)
        return acted or bool(news)

    def settled(self) -> bool:
        """Whether nothing is left to do or to wait for, but for what waits for a person."""
        ward = self.ward
        persons = {name for name, case in ward.cases.items() if case.needs_person}
        return all(name in persons or ward.proven(name) for name in ward.looks)

    def _planned(self, before: Plan) -> Plan:
        self._world = observe(self._topology, self._to)
        plan = make_plan(self._topology, self._world)
        for note in sorted(set(plan.notes) - set(before.notes)):
            log.warning("note", note=note)
        return plan

    def _probe(self, now: float) -> None:
        """Ask servers why nobody reads their slots, and what others who read them have taken."""
        ward = self.ward
        stuck, robbed = ward.stuck(), ward.robbed()
        self._probed = {name: at for name, at in self._probed.items() if name in stuck | robbed}
        due = [s for s in self._topology.shards if s.name in stuck | robbed and now >= self._probed.get(s.name, 0.0)]

        def ask(shard: Shard) -> None:
            self._probed[shard.name] = now + PROBE_SECONDS
            if shard.name in stuck:
                ward.unreadable[shard.name] = said = decodable(self._topology, shard)
                log.debug("decoded", shard=shard.name, said=said)
            elif gap := overrun(self._topology, shard, self._to):
                log.warning("changes are missing", shard=shard.name, detail=gap)
                ward.known[shard.name] = ward.known[shard.name].missed(gap)

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(ask, due))

    def _remember(self) -> None:
        """Have the next supervisor know what the servers will forget."""
        written = dict(self._written or {})
        for name in self.ward.looks:
            known = self.ward.known[name]
            if known != written.get(name, Memory()):
                self._journal.write(name, memory.entry(name, known))
                written[name] = known
        self._written = written

    def _treat(self, findings: dict[str, Finding | None], now: float, *, planned: bool) -> bool:
        """Do what there is to do; returns whether anything was done."""
        ward = self.ward
        treatment = Treatment(self._topology, self._to, self._audit, ward, self._may)
        due = ward.due(now)
        lost = {name for name, found in findings.items() if found and found.cause.remedy is Remedy.RESYNCHRONISE}
        anew = {name for name in lost & due if ward.cases[name].finding.remedy is Remedy.RESYNCHRONISE}
        acted = treatment.resynchronise(anew, now)
        if acted:
            self.plan_soon()
        if planned:
            free = {name for name in findings if name not in lost and now >= self._refused.get(name, 0.0)}
            refused = treatment.mend(ward.plan, free)
            self._refused |= dict.fromkeys(refused, now + REFUSED_SECONDS)
            acted |= {action.shard for action in ward.plan.actions if action.shard in free} - refused
            unpublished = {name for name in due if ward.cases[name].finding.cause is publications.MISSING}
            acted |= treatment.publish(self._world, unpublished, now)
            for name in due - unpublished:
                if ward.cases[name].finding.remedy is Remedy.MEND:
                    ward.treated(name, now, lambda: 0.0)
        there = {name for name in due - lost if ward.looks[name].connector is not None}
        failed = {name for name in there if ward.evidence(name, planned=False).failed}
        restarts = {name for name in there if restartable(ward.cases[name], failed=name in failed)}
        acted |= treatment.restart(restarts, now)
        return bool(acted)

    def _findings(self, *, planned: bool) -> dict[str, Finding | None]:
        """Say what each shard has; to read one anew that nobody has asked for needs leave."""
        return {
            name: replace(found, remedy=Remedy.ASK)
            if found and found.remedy is Remedy.RESYNCHRONISE and not self._may_resynchronise(name, found)
            else found
            for name, found in self.ward.findings(planned=planned).items()
        }

    def _may_resynchronise(self, shard: str, found: Finding) -> bool:
        """Whether a shard may be read anew by itself.

        Tables that keep every change would miss some for good, and what a person has stopped stays as it is.
        """
        if given.are_given(self._topology):
            return False
        connector = self.ward.looks[shard].connector
        stopped = connector is not None and connector.state in {"PAUSED", "STOPPED"}
        folded = all(table.mode == "upsert" for table in self._topology.tables)
        return found.cause.begun or (self._resynchronise and folded and not stopped)
