"""The connector's config: changed by hand, or wrong in the topology."""

from afflux.control.healing.causes.base import Cause, Evidence, Remedy

_WRONG = (
    r"ConfigException: [^\n]*",
    r"Unable to (?:find|instantiate|create)[^\n]*class[^\n]*",
    r"ClassNotFoundException: [^\n]*",
    r"NoClassDefFoundError: [^\n]*",
    r"Failed to find any class that implements [^\n]*",
    r"Could not read properties from file [^\n]*",
    r"Error configuring an instance of [^\n]*",
    r"Connector configuration is not valid[^\n]*",
)


def _changed(evidence: Evidence) -> str:
    if not evidence.drift or not (evidence.failed or evidence.late):
        return ""
    return f"{evidence.drift[0]}: it is not as the topology says"


def _wrong(evidence: Evidence) -> str:
    return evidence.says(*_WRONG)


CHANGED = Cause(
    name="changed by hand",
    means="The task fails, or nothing of it arrives, and something of the shard is not as the topology says.",
    seen_by="`connectors plan` has something to do for the shard.",
    fits=_changed,
    remedy=Remedy.MEND,
    hint="Change the topology (`source.config`) instead of the connector.",
)
WRONG = Cause(
    name="bad config",
    means="The connector can't work with the topology's own settings, or its worker lacks a class or a file.",
    seen_by="The text of the error in the task's trace.",
    fits=_wrong,
    remedy=Remedy.ASK,
    hint="Mend `source.config` in the topology, or give Connect's workers what they lack.",
)
