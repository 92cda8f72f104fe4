"""What a supervisor knows of every shard from one round to the next (pure): signs of life, cases, and evidence."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from afflux.clients.catalog import Publication
from afflux.control.healing import cases, vitals
from afflux.control.healing.cases import Case
from afflux.control.healing.causes import Evidence, Finding, diagnose
from afflux.control.healing.memory import Memory
from afflux.control.healing.vitals import Signs, Vitals
from afflux.control.planned.actions import Action, CreateConnector, RestartConnector, Risk
from afflux.control.planned.plan import Plan
from afflux.control.seen.examine import Look
from afflux.control.seen.neighbours import UNFINISHED
from afflux.control.seen.standing import lost
from afflux.control.seen.status import Verdict

SAFE = frozenset({Risk.NONE, Risk.RESTART, Risk.SNAPSHOT})
"""What may be done without a person: nothing of it takes anything away."""
PROBE_SECONDS = 20.0
"""How long nobody may read a slot before its server is asked why; a restarted server needs about ten."""
_HEARTBEAT_MS = 10_000
_GRACE_SECONDS = 10.0


@dataclass
class Ward:
    """All shards of a topology.

    Attributes:
        looks: the newest look at each.
        vitals: its signs of life.
        cases: what it has, or had lately.
        plan: what differed from the topology, when that was last asked.
        unreadable: what its server said when it was asked to decode.
        known: what has to be remembered of it.
        answered: the workers that were seen to answer.
        gone: those of them that do not any more.
    """

    looks: dict[str, Look] = field(default_factory=dict)
    vitals: dict[str, Vitals] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)
    unreadable: dict[str, str] = field(default_factory=dict)
    known: dict[str, Memory] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def see(self, looks: Mapping[str, Look], now: float) -> None:
        """Take in a look at every shard; those that are not among them are forgotten."""
        self.vitals = {name: vitals.follow(self.vitals.get(name), _signs(look, now)) for name, look in looks.items()}
        self.looks = dict(looks)
        self.cases = {name: case for name, case in self.cases.items() if name in looks}
        self.unreadable = {name: said for name, said in self.unreadable.items() if name in self.stuck(0.0)}
        self.known |= {name: self.known.get(name, Memory()).seen(look) for name, look in looks.items()}

    def heard(self, workers: Mapping[str, bool]) -> None:
        """Take in which workers answer; of one that never did nothing is known."""
        self.answered |= {worker for worker, answers in workers.items() if answers}
        self.gone = {worker for worker, answers in workers.items() if not answers and worker in self.answered}

    def robbed(self) -> set[str]:
        """Give the shards whose slot seems to be read by somebody else."""
        return {
            name
            for name, look in self.looks.items()
            if self.vitals[name].taken and self.vitals[name].silent >= patience(look)
        }

    def stuck(self, seconds: float = PROBE_SECONDS) -> set[str]:
        """Give the shards whose slot nobody has read for so long, though all else is in order."""
        return {
            name
            for name, look in self.looks.items()
            if look.status.verdict is Verdict.STUCK and self.vitals[name].since >= seconds
        }

    def findings(self, *, planned: bool) -> dict[str, Finding | None]:
        """Say what each shard has.

        Args:
            planned: whether the plan is of now, so that what it would do counts as drift.
        """
        return {name: diagnose(self.evidence(name, planned=planned)) for name in self.looks}

    def evidence(self, shard: str, *, planned: bool) -> Evidence:
        """Put together what is known of a shard."""
        look, signs = self.looks[shard], self.vitals[shard]
        actions = self.plan.of(shard)
        return Evidence(
            status=look.status,
            names=look.names,
            role=look.role,
            connector=look.connector,
            server=look.server,
            slot=look.slot,
            away=look.away,
            problems=tuple(problem for problem in self.plan.problems if problem.shard == shard),
            drift=tuple(action.object for action in actions if planned and is_safe(action, look)),
            held=tuple(
                f"{r.object}: {r.reason}" for r in self.plan.refused if r.shard == shard and r.risk is not Risk.NONE
            ),
            ever_read=bool(look.beats),
            since=signs.since,
            silent=signs.silent,
            patience=patience(look),
            mute=signs.mute,
            taken=signs.taken,
            behind=_behind(look),
            gap=self.known[shard].gap,
            worker_gone=look.status.worker in self.gone,
            republished=self.known[shard].replaced(look),
            unreadable=self.unreadable.get(shard, ""),
        )

    def news(self, findings: Mapping[str, Finding | None]) -> set[str]:
        """Give the shards that have something else than they had."""
        return {
            name for name, finding in findings.items() if finding is not None and finding.cause is not self._has(name)
        }

    def diagnosed(self, findings: Mapping[str, Finding | None], now: float) -> None:
        """Take in what the shards have."""
        followed = {name: cases.follow(self.cases.get(name), finding, now) for name, finding in findings.items()}
        self.cases = {name: case for name, case in followed.items() if case is not None}

    def treated(self, shard: str, now: float, chance: Callable[[], float]) -> None:
        """Count a treatment of a shard."""
        self.cases[shard] = self.cases[shard].tried(now, chance)

    def due(self, now: float) -> set[str]:
        """Give the shards that it is time to treat."""
        return {name for name, case in self.cases.items() if case.is_due(now)}

    def well(self, shard: str) -> bool:
        """Whether a shard's changes flow, as far as can be seen."""
        case = self.cases.get(shard)
        return self.looks[shard].status.good and not (case and case.open)

    def proven(self, shard: str) -> bool:
        """Whether nothing is left to wait for: a stream has brought a heartbeat, or is none now."""
        streaming = self.looks[shard].status.verdict is Verdict.STREAMING
        return self.well(shard) and (not streaming or self.vitals[shard].proven or patience(self.looks[shard]) == NEVER)

    def _has(self, shard: str) -> object:
        case = self.cases.get(shard)
        return case.finding.cause if case and case.open else None


NEVER = float("inf")


def patience(look: Look) -> float:
    """Give how long no heartbeat of a shard may arrive, in seconds: two of them, and some more."""
    config = look.connector.config if look.connector else {}
    try:
        interval = int(config.get("heartbeat.interval.ms", _HEARTBEAT_MS))
    except ValueError:
        interval = _HEARTBEAT_MS
    return 2 * interval / 1000 + _GRACE_SECONDS if interval > 0 else NEVER


def is_safe(action: Action, look: Look) -> bool:
    """Whether a supervisor may carry an action out by itself.

    To restart what failed is not among them: whether and when is for what the shard has to say. Neither is making a
    connector with a new slot for a shard that was read before, for changes are missing then.
    """
    if isinstance(action, RestartConnector):
        return action.whole
    anew = isinstance(action, CreateConnector) and action.risk is Risk.SNAPSHOT and bool(look.beats)
    return action.risk in SAFE and (not anew or _prepared(look))


def safe(plan: Plan, looks: Mapping[str, Look], shards: Collection[str]) -> Plan:
    """Give what of a plan may be done for some shards, and what all shards share."""
    return replace(plan, actions=tuple(_of(plan.actions, looks, shards)))


def _of(actions: Iterable[Action], looks: Mapping[str, Look], shards: Collection[str]) -> Iterable[Action]:
    for action in actions:
        if not action.shard or (action.shard in shards and is_safe(action, looks[action.shard])):
            yield action


def _prepared(look: Look) -> bool:
    """Whether a connector is half made: its resynchronisation, or its making, goes on."""
    return look.connector is not None and UNFINISHED in look.connector.config


def _behind(look: Look) -> str:
    """Why an idle slot can't bring what comes next to its connector; a lost one, or its publication, is told elsewhere."""
    if look.slot is None or look.slot.active or look.slot.wal_status == "lost":
        return ""
    return lost(look.slot, Publication(look.names.publication), look.offsets)


def _signs(look: Look, now: float) -> Signs:
    return Signs(
        at=now,
        state=look.state,
        streams=look.status.verdict is Verdict.STREAMING,
        beats=look.beats,
        marks=look.marks,
        flushed=look.slot.flushed if look.slot else None,
        reader=look.slot.pid if look.slot else None,
    )
