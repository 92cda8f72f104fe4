"""The control plane: make Debezium, Kafka, the registry and the shards agree with the topology.

    load topology -> observe the world -> plan (pure) -> apply -> observe again

The rooms, each of which knows those before it and none after: `wanted` (what the topology says), `seen` (what the
servers say), `planned` (what there is to do), `done` (doing it), `verbs` (what a person asks for by name), `healing`
(the supervisor, and the causes of failure). `done/converge.py` is the whole of plan and apply.
"""

from afflux.control.done.converge import Report, apply_topology, plan_topology
from afflux.control.planned.actions import LEAVE, Refusal, Risk
from afflux.control.planned.plan import Plan
from afflux.control.seen.follow import Progress
from afflux.control.seen.look import status
from afflux.control.seen.status import ShardStatus, Verdict
from afflux.control.seen.world import Problem
from afflux.control.verbs.choose import choose
from afflux.control.verbs.offsets import Reset, Standing, offsets, reset_offsets
from afflux.control.verbs.remove import Extent, Removal, Subjects, removable, remove
from afflux.control.verbs.snapshots import Read, Wish, snapshot
from afflux.control.verbs.states import Changed, Verb, change_states
from afflux.control.verbs.validate import Validation, validate

__all__ = [
    "LEAVE",
    "Changed",
    "Extent",
    "Plan",
    "Problem",
    "Progress",
    "Read",
    "Refusal",
    "Removal",
    "Report",
    "Reset",
    "Risk",
    "ShardStatus",
    "Standing",
    "Subjects",
    "Validation",
    "Verb",
    "Verdict",
    "Wish",
    "apply_topology",
    "change_states",
    "choose",
    "offsets",
    "plan_topology",
    "removable",
    "remove",
    "reset_offsets",
    "snapshot",
    "status",
    "validate",
]
