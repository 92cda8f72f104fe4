"""Tables that are not as they have to be, and whatever else keeps a shard from being set up."""

from afflux.control.healing.causes.base import Cause, Evidence, Remedy


def _problem(evidence: Evidence, *, table: bool) -> str:
    found = (p for p in evidence.problems if p.object.startswith("table") is table)
    return next((f"{problem.object}: {problem.message}" for problem in found), "")


TABLE = Cause(
    name="table not fit",
    means="A table is gone, may not be read, or its replica identity does not say which row a change means.",
    seen_by="What `connectors plan` tells of the shard's tables.",
    fits=lambda evidence: _problem(evidence, table=True),
    remedy=Remedy.ASK,
    hint="{remark}",
)
SHARD = Cause(
    name="shard not fit",
    means="Something else keeps the shard from being set up as the topology says.",
    seen_by="What `connectors plan` tells of the shard.",
    fits=lambda evidence: _problem(evidence, table=False),
    remedy=Remedy.ASK,
    hint="{remark}",
)
HELD = Cause(
    name="change held back",
    means="The topology asks for something that takes tables away, which only a person does.",
    seen_by="What `connectors plan` would do to the shard, and its risk.",
    fits=lambda evidence: next(iter(evidence.held), ""),
    remedy=Remedy.ASK,
    hint="`connectors apply` does it.",
)
