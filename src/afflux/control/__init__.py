"""The control plane: make Debezium, Kafka, the registry and the shards agree with the topology.

    load topology -> observe the world -> plan (pure) -> apply -> observe again

`observe.py` asks, `plan.py` compares, `apply.py` carries out; `converge.py` is the whole of it.
"""

from afflux.control.apply import Progress
from afflux.control.converge import Report, apply_topology, plan_topology
from afflux.control.observe import status
from afflux.control.plan import Plan
from afflux.control.remove import Extent, Removal, removable, remove
from afflux.control.status import ShardStatus, Verdict

__all__ = [
    "Extent",
    "Plan",
    "Progress",
    "Removal",
    "Report",
    "ShardStatus",
    "Verdict",
    "apply_topology",
    "plan_topology",
    "removable",
    "remove",
    "status",
]
