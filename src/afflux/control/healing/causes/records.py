"""Records: too large for Kafka, or values that can't be handed over."""

import re

from afflux.control.healing.causes.base import SLOWLY, Cause, Evidence, Remedy


def _too_large(evidence: Evidence) -> str:
    return evidence.says(
        r"RecordTooLargeException: [^\n]*", r"The (?:message is \d+ bytes|request included a message larger)[^\n]*"
    )


def _fits_now(evidence: Evidence) -> bool:
    """Whether the row that was too large may come now."""
    refused = re.search(r"The message is (\d+) bytes", evidence.trace)
    if refused is None:
        return not evidence.drift  # the broker does not tell the size
    config = evidence.connector.config if evidence.connector else {}
    return int(refused[1]) <= int(config.get("producer.override.max.request.size", 0))


def _value(evidence: Evidence) -> str:
    return evidence.says(
        r"Invalid value: null used for required field: [^\n]*",
        r"Failed to properly convert data value [^\n]*",
        r"Invalid Java object for schema [^\n]*",
        r"SchemaParseException: [^\n]*",
        r"Error while processing event at offset [^\n]*",
    )


def _half_a_copy(evidence: Evidence) -> str:
    return evidence.says(r"because \"eventTxId\" is null")


TOO_LARGE = Cause(
    name="record too large",
    means="A row is larger than Kafka may take.",
    seen_by="The text of the refusal in the task's trace. Debezium tries for a minute first.",
    fits=_too_large,
    remedy=Remedy.ASK,
    hint="Raise `kafka.topics.max_message_bytes` in the topology above the size in the message (and the broker's"
    " `message.max.bytes` and `replica.fetch.max.bytes`, if they are lower). The waiting row then comes.",
    mended=_fits_now,
    pace=SLOWLY,
)
VALUE = Cause(
    name="value refused",
    means="A value of some row can't be handed over as what its column is.",
    seen_by="The text of the converter's error in the task's trace.",
    fits=_value,
    remedy=Remedy.ASK,
    hint="afflux's plugin hands over every type (docs/plugin.md); without it, set the table's REPLICA IDENTITY to"
    " FULL, or the column to NULL where it is not needed.",
    pace=SLOWLY,
)
HALF_A_COPY = Cause(
    name="snapshot half done",
    means="A snapshot by signal has met a heartbeat that is not transactional; no restart mends it.",
    seen_by="A NullPointerException about `eventTxId` in the task's trace.",
    fits=_half_a_copy,
    remedy=Remedy.ASK,
    hint="Stop {connector}, remove the `incremental_snapshot_*` fields of its offsets, resume it, and ask for the"
    " snapshot again. A heartbeat.action.query of your own must use pg_logical_emit_message(true, ...).",
    pace=SLOWLY,
)
