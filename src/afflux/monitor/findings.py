"""What is to be said of a shard, a server or a target, and what to do next (pure).

What is an alert as soon as it lasts is found by the alerts' own conditions, without waiting; what the control plane
says of a shard's stream comes before them, for it is the cause where they are the effects.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from afflux.control import ShardStatus, Verdict
from afflux.monitor.alarms import RUNBOOKS
from afflux.monitor.alerts import KINDS, Key, policy_of
from afflux.monitor.exposed import samples
from afflux.monitor.flows import FlowReading
from afflux.monitor.slots import ShardReading
from afflux.monitor.units import duration, in_words
from afflux.monitor.watch import Readings
from afflux.telemetry.watched import Sample
from afflux.topology.model import Topology

CLOCK_SECONDS = 1.0
"""A shard's clock may be off by so much without a word."""


class Level(StrEnum):
    """How much somebody is needed."""

    WELL = "well"
    NOTE = "note"
    """Worth knowing, and nothing to worry about."""
    WARNING = "warning"
    """Look at it today."""
    PAGE = "page"
    """Look at it now."""

    @property
    def rank(self) -> int:
        """A number that grows with it."""
        return list(Level).index(self)

    @property
    def worry(self) -> bool:
        """Whether somebody has to look."""
        return self.rank >= Level.WARNING.rank


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be said.

    Attributes:
        level: how much somebody is needed.
        what: what it is, in a sentence.
        next: what to do about it; empty where there is nothing to do.
    """

    level: Level
    what: str
    next: str = ""


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Put the worst first; of equal ones those that were found first, which are the causes."""
    return tuple(sorted(findings, key=lambda finding: -finding.level.rank))


_STREAMS: Mapping[Verdict, Level] = {
    Verdict.STREAMING: Level.WELL,
    Verdict.SNAPSHOT: Level.NOTE,
    Verdict.STARTING: Level.NOTE,
    Verdict.PAUSED: Level.NOTE,
    Verdict.MISSING: Level.WARNING,
}
"""The others are looked at now."""

_STREAM_WORDS: Mapping[Verdict, str] = {
    Verdict.SNAPSHOT: "its first copy is being made",
    Verdict.STARTING: "its connector is starting",
    Verdict.MISSING: "it has no connector",
}

_NEXT: Mapping[str, str] = {
    "AffluxWalRunningOut": f"see that its slot is read (`connectors status`); {RUNBOOKS}#affluxwalrunningout",
    "AffluxTableStopped": "`afflux tables list` says why; `afflux tables resume` goes on",
    "AffluxSlotLost": "`connectors status` says the way on",
    "AffluxLag": "see that `afflux run` works, and run one more to share the work",
    "AffluxFreshnessMissed": "see that `afflux run` works and its log is quiet",
}
"""What to do first about alerts; the runbook says it of the others, and all of it of these."""

_PARTS: Mapping[str, str] = {"AffluxKafkaUnwell": "kafka", "AffluxConnectUnwell": "connect"}
"""Which server alerts without labels are about."""


def of_stream(status: ShardStatus | None) -> Iterator[Finding]:
    """Say what is to be said of a shard's stream.

    Args:
        status: as the control plane judges it; None where Connect did not say.
    """
    if status is None:
        return
    level = _STREAMS.get(status.verdict, Level.PAGE)
    if level is not Level.WELL:
        yield Finding(level, status.detail or _STREAM_WORDS.get(status.verdict, str(status.verdict)), status.hint)
    if status.copying:
        yield Finding(Level.NOTE, f"rows of tables that came later are being copied: {', '.join(status.copying)}")


def of_alerts(topology: Topology, readings: Readings) -> Iterator[tuple[str, Finding]]:
    """Say what would be an alert if it lasted.

    Yields:
        What it is about, as `place` writes it, and what is to be said.
    """
    by_name: dict[str, list[Sample]] = {}
    for sample in samples(readings):
        by_name.setdefault(sample.measure.name, []).append(sample)
    policy = policy_of(topology)
    for kind in KINDS:
        told: set[Key] = set()
        for rule in kind.rules(policy):
            for about, value in rule.condition.met(by_name).items():
                if about in told and rule.severity == "warning":
                    continue  # the page-level rule has said it
                told.add(about)
                labels = dict(about)
                words = rule.summary.format(value=in_words(value, rule.unit), **labels)
                for name in ("sink", "shard"):
                    words = words.removeprefix(f"{name} {labels.get(name)}").lstrip(":, ")
                advice = _NEXT.get(kind.name, f"{RUNBOOKS}#{kind.anchor}")
                yield place(labels, _PARTS.get(kind.name, "")), Finding(Level(rule.severity), words, advice)


def place(labels: Mapping[str, str], part: str = "") -> str:
    """Write what something is about: `shard` or `target` and a name, or a server that all shards share."""
    if "shard" in labels:
        return f"shard {labels['shard']}"
    return f"target {labels['sink']}" if "sink" in labels else labels.get("part", part)


def of_shard(reading: ShardReading) -> Iterator[Finding]:
    """Say what is to be said of a shard's server beside the alerts."""
    wal = reading.wal
    if wal is None:
        yield Finding(Level.PAGE, f"the server does not answer: {reading.problem}", reading.hint)
    elif abs(wal.ahead) > CLOCK_SECONDS:
        way = "ahead of" if wal.ahead > 0 else "behind"
        yield Finding(
            Level.NOTE,
            f"its clock is {duration(abs(wal.ahead))} {way} this machine's",
            "see that time is kept (NTP): watermarks and `_source_ts` are by the shards' clocks",
        )


def of_flow(flow: FlowReading, status: ShardStatus | None) -> Iterator[Finding]:
    """Say what is to be said of a shard's way into one target beside the alerts."""
    if flow.dead_letters:
        yield Finding(
            Level.WARNING,
            f"{flow.dead_letters} dead letter{'s are' if flow.dead_letters > 1 else ' is'} open",
            "`afflux dead-letters list` says why; `replay` or `discard` them",
        )
    if flow.age is None:
        early = status is not None and status.verdict in {Verdict.SNAPSHOT, Verdict.STARTING}
        yield Finding(
            Level.NOTE if early else Level.WARNING,
            "nobody knows yet how fresh the target is",
            "" if early else "see that `afflux run` works: it says so once the first copy and a heartbeat are through",
        )
