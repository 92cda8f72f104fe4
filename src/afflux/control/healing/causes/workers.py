"""Kafka Connect's workers and the broker behind them."""

from afflux.control.healing.causes.base import SLOWLY, Cause, Evidence, Remedy
from afflux.control.seen.status import Verdict

_REBALANCE_SECONDS = 5.0
"""Each change of a connector makes it unassigned for a moment."""


def _memory(evidence: Evidence) -> str:
    return evidence.says(r"(?:java\.lang\.)?OutOfMemoryError(?:: [^\n]*)?", r"Java heap space", r"GC overhead limit")


def _nobody(evidence: Evidence) -> str:
    connector = evidence.connector
    if connector is None or evidence.failed:
        return ""
    states = {connector.state, *(task.state for task in connector.tasks)}
    if "UNASSIGNED" in states and evidence.since > _REBALANCE_SECONDS:
        return "no worker of Connect runs it"
    idle = evidence.slot is not None and not evidence.slot.active
    return f"worker {evidence.status.worker} does not answer any more" if idle and evidence.worker_gone else ""


def _broker(evidence: Evidence) -> str:
    return evidence.says(
        r"org\.apache\.kafka\.common\.errors\.(?:Timeout|NotEnoughReplicas\w*|NotLeaderOrFollower|Disconnect"
        r"|CoordinatorNotAvailable|NotCoordinator|ProducerFenced|InvalidProducerEpoch|InvalidTxnState|TransactionAborted"
        r"|UnknownProducerId|Network|KafkaStorage)Exception(?:: [^\n]*)?",
    )


def _topic(evidence: Evidence) -> str:
    return evidence.says(
        r"(?:UnknownTopicOrPartition|TopicAuthorization|ClusterAuthorization|TransactionalIdAuthorization"
        r"|InvalidReplicationFactor|PolicyViolation)Exception(?:: [^\n]*)?"
    )


def _deleted(evidence: Evidence) -> str:
    missing = evidence.status.verdict is Verdict.MISSING and evidence.ever_read
    return f"connector {evidence.names.connector} is gone" if missing else ""


DELETED = Cause(
    name="connector deleted",
    means="Somebody has deleted the connector of a shard that was read before; its slot keeps the changes.",
    seen_by="Connect does not know it, and the shard has its slot.",
    fits=_deleted,
    remedy=Remedy.MEND,
    hint="To be rid of a shard, take it out of the topology, then `connectors remove {shard}`.",
)
GONE = Cause(
    name="worker gone",
    means="The Connect worker that ran the connector is gone; the others take it over.",
    seen_by="Connect shows the connector or its task UNASSIGNED, or the worker does not answer and nobody reads the slot.",
    fits=_nobody,
    remedy=Remedy.WAIT,
    hint="Connect gives it to another worker after `scheduled.rebalance.max.delay.ms` (five minutes unless set)."
    " Where none is left, start one.",
)
MEMORY = Cause(
    name="out of memory",
    means="The Connect worker has run out of memory, perhaps because of another connector on it.",
    seen_by="OutOfMemoryError in the task's trace.",
    fits=_memory,
    remedy=Remedy.RESTART,
    hint="Give the workers more heap (`KAFKA_HEAP_OPTS`), or let fewer and smaller rows wait:"
    " `max.queue.size.in.bytes` under `source.config`.",
    pace=SLOWLY,
)
TOPIC = Cause(
    name="topic refused",
    means="The broker refuses to write to a topic, or to make it.",
    seen_by="The text of the refusal in the task's trace.",
    fits=_topic,
    remedy=Remedy.MEND,
    hint="Make the topic, or give Connect's user the right to write to it.",
    mended=lambda evidence: not evidence.drift,
)
BROKER = Cause(
    name="broker trouble",
    means="Kafka did not take the records in time, or another instance of the task was there.",
    seen_by="Kafka's own errors in the task's trace.",
    fits=_broker,
    remedy=Remedy.RESTART,
    hint="Is every broker up, and reachable from Connect's workers?",
)
