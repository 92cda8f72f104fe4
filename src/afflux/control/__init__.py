"""The control plane: make Debezium, Kafka, the registry and the shards agree with the topology.

    load topology -> observe the world -> plan (pure) -> apply -> observe again

`observe.py` asks, `plan.py` compares, `apply.py` carries out; `converge.py` is the whole of it.
"""

from afflux.control.actions import LEAVE, Risk
from afflux.control.converge import Report, apply_topology, plan_topology
from afflux.control.follow import Progress
from afflux.control.look import status
from afflux.control.plan import Plan
from afflux.control.remove import Extent, Removal, removable, remove
from afflux.control.status import ShardStatus, Verdict

__all__ = [
    "LEAVE",
    "Extent",
    "Plan",
    "Progress",
    "Removal",
    "Report",
    "Risk",
    "ShardStatus",
    "Verdict",
    "apply_topology",
    "plan_topology",
    "removable",
    "remove",
    "status",
]
