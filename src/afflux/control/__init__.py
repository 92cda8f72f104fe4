"""The control plane: make Debezium, Kafka, the registry and the shards agree with the topology.

    load topology -> observe the world -> plan (pure) -> apply -> observe again

`observe.py` asks, `plan.py` compares, `apply.py` carries out; `converge.py` is the whole of it.
"""

from afflux.control.actions import LEAVE, Refusal, Risk
from afflux.control.choose import choose
from afflux.control.converge import Report, apply_topology, plan_topology
from afflux.control.follow import Progress
from afflux.control.look import status
from afflux.control.offsets import Reset, Standing, offsets, reset_offsets
from afflux.control.plan import Plan
from afflux.control.remove import Extent, Removal, Subjects, removable, remove
from afflux.control.snapshots import Read, Wish, snapshot
from afflux.control.states import Changed, Verb, change_states
from afflux.control.status import ShardStatus, Verdict
from afflux.control.validate import Validation, validate
from afflux.control.world import Problem

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
