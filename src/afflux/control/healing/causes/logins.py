"""Logging in to the shard, and what the role may do there."""

from afflux.control.healing.causes.base import Cause, Evidence, Remedy

_REFUSED = (
    r"password authentication failed for user \"[^\"]*\"",
    r"no password supplied|no password was provided",
    r"role \"[^\"]*\" (does not exist|is not permitted to log in)",
    r"database \"[^\"]*\" does not exist",
    r"no pg_hba\.conf entry for [^\n]*",
    r"permission denied for database [^\n]*",
)
_RIGHTS = (
    r"permission denied for (schema|table|relation|function) [^\n]*",
    r"permission denied to (start WAL sender|use replication slots)[^\n]*",
    r"must be (superuser|owner)[^\n]*",
)


def _login(evidence: Evidence) -> str:
    return evidence.says(*_REFUSED)


def _rights(evidence: Evidence) -> str:
    if evidence.server is not None and not evidence.server.may_replicate:
        return f"role {evidence.server.role} may not replicate"
    return evidence.says(*_RIGHTS) if evidence.failed else ""


CREDENTIALS = Cause(
    name="credentials",
    means="The shard refuses the login.",
    seen_by="The text of the refusal, in the task's trace or when afflux logs in itself.",
    fits=_login,
    remedy=Remedy.ASK,
    hint="Put the right user and password where the topology's references point to, for Connect's workers and here,"
    " or change the role's on the shard. Once afflux can log in, it restarts the task.",
    mended=lambda evidence: evidence.server is not None,
)
RIGHTS = Cause(
    name="rights missing",
    means="The role may not do what it has to.",
    seen_by="The role's attributes, or the text of the refusal in the task's trace.",
    fits=_rights,
    remedy=Remedy.ASK,
    hint='`ALTER ROLE "{role}" REPLICATION;`, or the grant that the message names. The task is restarted from time'
    " to time.",
    mended=lambda evidence: evidence.server is not None and evidence.server.may_replicate,
)
