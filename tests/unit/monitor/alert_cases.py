"""Situations, and the alerts that belong to them: played to Prometheus' rules and to the supervisor's own judgement."""

import math
from dataclasses import dataclass, field

from afflux.telemetry import metrics as m
from afflux.telemetry.watched import Measure

MINUTES = 16
SHARD = {"shard": "shard0"}
FLOW = {"sink": "lake", "shard": "shard0"}
LIKELY = {"bound": "likely"}
Series = tuple[Measure, dict[str, str], list[float]]
Labels = dict[str, str]


@dataclass
class Case:
    """What the metrics were in each minute, and the alerts at the end of the last one, with Prometheus' labels."""

    name: str
    series: list[Series]
    alerts: list[tuple[str, Labels]] = field(default_factory=list)
    looked: bool = True


def constant(value: float) -> list[float]:
    return [value] * MINUTES


def lately(value: float, minutes: int, before: float) -> list[float]:
    return [before] * (MINUTES - minutes) + [value] * minutes


def page(name: str, **labels: str) -> tuple[str, Labels]:
    return name, {"severity": "page", **labels}


def warning(name: str, **labels: str) -> tuple[str, Labels]:
    return name, {"severity": "warning", **labels}


def state(word: str, values: list[float]) -> Series:
    return m.SLOT_STATE, {**SHARD, "state": word}, values


WAL, HOUR = "AffluxWalRunningOut", 3600.0
FORECAST = {**SHARD, **LIKELY, "reason": "forecast"}
CASES = [
    Case("all is well", [(m.SHARD_UP, SHARD, constant(1)), (m.WAL_LOSS, SHARD | LIKELY, constant(math.inf))]),
    Case(
        "WAL lasts an hour",
        [(m.WAL_LOSS, SHARD | LIKELY, lately(HOUR, 3, math.inf))],
        [page(WAL, **FORECAST), warning(WAL, **FORECAST)],
    ),
    Case(
        "WAL lasts six hours",
        [(m.WAL_LOSS, SHARD | LIKELY, lately(6 * HOUR, 3, math.inf))],
        [warning(WAL, **FORECAST)],
    ),
    Case("WAL seems to last an hour for a minute", [(m.WAL_LOSS, SHARD | LIKELY, lately(HOUR, 2, math.inf))]),
    Case("WAL may last an hour at the soonest", [(m.WAL_LOSS, {**SHARD, "bound": "soonest"}, constant(HOUR))]),
    Case(
        "the room is nearly used up",
        [(m.WAL_USED, SHARD, lately(0.9, 1, 0.2)), (m.WAL_GROWTH, SHARD, constant(5))],
        [page(WAL, **SHARD, reason="used"), warning(WAL, **SHARD, reason="used")],
    ),
    Case(
        "the room is more than half used, and nobody knows yet how that goes on",
        [(m.WAL_USED, SHARD, constant(0.6))],
        [warning(WAL, **SHARD, reason="used")],
    ),
    Case(
        "the room is nearly used up, but less and less",
        [(m.WAL_USED, SHARD, constant(0.9)), (m.WAL_GROWTH, SHARD, constant(-5))],
    ),
    Case(
        "another shard's WAL shrinks",
        [(m.WAL_USED, SHARD, constant(0.6)), (m.WAL_GROWTH, {"shard": "shard1"}, constant(-5))],
        [warning(WAL, **SHARD, reason="used")],
    ),
    Case(
        "the next checkpoint takes the WAL",
        [state("unreserved", lately(1, 1, 0)), state("lost", constant(0))],
        [page(WAL, **SHARD, state="unreserved", reason="unreserved")],
    ),
    Case("the slot is lost", [state("lost", lately(1, 1, 0))], [page("AffluxSlotLost", **SHARD, state="lost")]),
    Case("no slot yet", [state("missing", lately(1, 4, 0))]),
    Case(
        "no slot for long", [state("missing", lately(1, 7, 0))], [warning("AffluxSlotLost", **SHARD, state="missing")]
    ),
    Case("nobody reads the slot", [(m.SLOT_IDLE, SHARD, constant(301))], [warning("AffluxSlotIdle", **SHARD)]),
    Case("nobody reads the slot for a while", [(m.SLOT_IDLE, SHARD, constant(299))]),
    Case(
        "forgotten transactions",
        [
            (m.TRANSACTION_AGE, {**SHARD, "kind": "prepared"}, constant(90_000)),
            (m.TRANSACTION_AGE, {**SHARD, "kind": "session"}, constant(3599)),
        ],
        [warning("AffluxSlotHeldBack", **SHARD, kind="prepared", reason="prepared")],
    ),
    Case("a shard is away", [(m.SHARD_UP, SHARD, lately(0, 3, 1))], [warning("AffluxShardAway", **SHARD)]),
    Case("a shard restarts", [(m.SHARD_UP, SHARD, lately(0, 1, 1))]),
    Case("no heartbeat", [(m.HEARTBEAT_AGE, SHARD, constant(121))], [warning("AffluxHeartbeatLost", **SHARD)]),
    Case(
        "never a heartbeat", [(m.HEARTBEAT_AGE, SHARD, constant(math.inf))], [warning("AffluxHeartbeatLost", **SHARD)]
    ),
    Case("heartbeats", [(m.HEARTBEAT_AGE, SHARD, constant(11))]),
    Case(
        "events are deleted in two hours",
        [(m.TARGET_LOSS, FLOW | LIKELY, constant(2 * HOUR))],
        [page("AffluxRetentionRunningOut", **FLOW, **LIKELY), warning("AffluxRetentionRunningOut", **FLOW, **LIKELY)],
    ),
    Case(
        "events are deleted tomorrow",
        [(m.TARGET_LOSS, FLOW | LIKELY, constant(20 * HOUR))],
        [warning("AffluxRetentionRunningOut", **FLOW, **LIKELY)],
    ),
    Case("nothing is behind", [(m.TARGET_LOSS, FLOW | LIKELY, constant(math.inf))]),
    Case("events were deleted", [(m.TARGET_DELETED, FLOW, lately(7, 1, 0))], [page("AffluxEventsDeleted", **FLOW)]),
    Case("far behind", [(m.TARGET_LAG, FLOW, lately(10_001, 6, 0))], [warning("AffluxLag", **FLOW)]),
    Case("far behind for a moment", [(m.TARGET_LAG, FLOW, lately(1e9, 4, 0))]),
    Case("just as far behind as allowed", [(m.TARGET_LAG, FLOW, constant(10_000))]),
    Case("too old", [(m.TARGET_AGE, FLOW, lately(61, 6, 3))], [warning("AffluxFreshnessMissed", **FLOW)]),
    Case("fresh", [(m.TARGET_AGE, FLOW, constant(12))]),
    Case(
        "more dead letters",
        [(m.TARGET_DEAD_LETTERS, FLOW, lately(3, 4, 0))],
        [warning("AffluxDeadLettersGrowing", **FLOW)],
    ),
    Case("as many dead letters as ever", [(m.TARGET_DEAD_LETTERS, FLOW, constant(3))]),
    Case("fewer dead letters", [(m.TARGET_DEAD_LETTERS, FLOW, lately(1, 4, 3))]),
    Case("a stopped topic", [(m.TARGET_STOPPED, FLOW, constant(1))], [warning("AffluxTableStopped", **FLOW)]),
    Case(
        "no broker",
        [(m.PART_UP, {"part": "kafka"}, lately(0, 2, 1)), (m.PART_UP, {"part": "registry"}, constant(1))],
        [page("AffluxKafkaUnwell", part="kafka", reason="away")],
    ),
    Case("no leader", [(m.LEADERLESS, {}, constant(2))], [page("AffluxKafkaUnwell", reason="leaderless")]),
    Case("a broker is away", [(m.THIN, {}, constant(2))], [warning("AffluxKafkaUnwell", reason="thin")]),
    Case(
        "no Connect",
        [(m.PART_UP, {"part": "connect"}, constant(0))],
        [warning("AffluxConnectUnwell", part="connect", reason="away")],
    ),
    Case(
        "failed tasks",
        [(m.TASKS, {"state": "FAILED"}, constant(1)), (m.TASKS, {"state": "RUNNING"}, constant(3))],
        [warning("AffluxConnectUnwell", state="FAILED", reason="failed")],
    ),
    Case("a rebalance", [(m.TASKS, {"state": "UNASSIGNED"}, lately(3, 5, 0))]),
    Case(
        "too few workers",
        [(m.TASKS, {"state": "UNASSIGNED"}, constant(3))],
        [warning("AffluxConnectUnwell", state="UNASSIGNED", reason="unassigned")],
    ),
    Case(
        "no registry",
        [(m.PART_UP, {"part": "registry"}, lately(0, 3, 1))],
        [warning("AffluxRegistryUnwell", part="registry")],
    ),
    Case(
        "no target",
        [(m.TARGET_UP, {"sink": "lake"}, constant(0)), (m.TARGET_UP, {"sink": "dw"}, constant(1))],
        [warning("AffluxTargetAway", sink="lake")],
    ),
    Case("nobody looks any more", [(m.LOOKED, {}, constant(120))], [page("AffluxSupervisorAway")], looked=False),
    Case("nobody ever looked", [], [page("AffluxSupervisorAway")], looked=False),
]
