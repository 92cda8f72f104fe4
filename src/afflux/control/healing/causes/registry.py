"""The schema registry: refuses a schema, or can't be asked."""

from afflux.control.healing.causes.base import Cause, Evidence, Remedy

_RULE = (
    r"RuleViolationException: [^\n]*",
    r"Incompatible artifact: [^\n]*",
    r"Schema being registered is incompatible with an earlier schema[^\n]*",
)
_AWAY = (
    r"io\.apicurio\.registry\.rest\.client\.exception\.[A-Za-z]*(?:: [^\n]*)?",
    r"Failed to (?:send HTTP request to endpoint|get Kafka cluster ID)[^\n]*",
    r"(?:Error|Failed) (?:retrieving|registering|serializing) Avro (?:schema|message)[^\n]*",
)


_DELETED = (r"VersionNotFoundException: No version '<tip of the branch [^\n]*",)


def _deleted(evidence: Evidence) -> str:
    return evidence.says(*_DELETED)


def _rule(evidence: Evidence) -> str:
    return evidence.says(*_RULE)


def _away(evidence: Evidence) -> str:
    return evidence.says(*_AWAY)


RULE = Cause(
    name="registry rule",
    means="The schema registry refuses a table's new schema, and the whole connector stops.",
    seen_by="The text of the refusal in the task's trace.",
    fits=_rule,
    remedy=Remedy.MEND,
    hint="The topology's `registry.compatibility` decides. Where it asks for a rule, the schema change has to fit it,"
    " or the rule has to be loosened: then the waiting changes come.",
    mended=lambda evidence: not evidence.drift,
)
DELETED = Cause(
    name="subject deleted softly",
    means="A subject of the shard was deleted softly, and Apicurio Registry takes no schema under its name any more.",
    seen_by="The text of the refusal in the task's trace.",
    fits=_deleted,
    remedy=Remedy.ASK,
    hint="`connectors remove {shard}`, `afflux schemas delete {shard} --hard`, then `connectors apply`: slot and offsets"
    " stay, so nothing is missed.",
)
AWAY = Cause(
    name="registry away",
    means="The converter could not ask the schema registry.",
    seen_by="The registry client's errors in the task's trace.",
    fits=_away,
    remedy=Remedy.RESTART,
    hint="Is the registry up, and reachable from Connect's workers at the address in `connect.registry_url`?",
)
