"""What the commands print with `-o json` and `-o yaml`; `schemas/plan.schema.json` describes a plan."""

import dataclasses
from typing import Any

from afflux import control
from afflux.control.planned.changes import Change

FORMAT = 1
"""Grows when a reader of an older plan could be misled."""


def plan_document(topology: str, plan: control.Plan) -> dict[str, Any]:
    """Give a plan as `schemas/plan.schema.json` describes it.

    Args:
        topology: its name.
        plan: what was found.
    """
    return {
        "format": FORMAT,
        "topology": topology,
        "actions": [
            {
                "kind": action.kind,
                "shard": action.shard or None,
                "object": action.object,
                "reason": action.reason,
                "risk": str(action.risk),
                "changes": _changes(action.changes()),
            }
            for action in plan.actions
        ],
        "refused": [
            {
                "kind": refusal.kind,
                "shard": refusal.shard or None,
                "object": refusal.object,
                "reason": refusal.reason,
                "hint": refusal.hint,
                "allow": None if refusal.risk is control.Risk.NONE else str(refusal.risk),
                "changes": _changes(refusal.changes),
            }
            for refusal in plan.refused
        ],
        "problems": [
            {
                "shard": problem.shard or None,
                "object": problem.object,
                "message": problem.message,
                "hint": problem.hint,
                "table": problem.table or None,
            }
            for problem in plan.problems
        ],
        "notes": list(plan.notes),
    }


def rows(values: Any) -> list[dict[str, Any]]:
    """Give a list of dataclasses as mappings."""
    return [dataclasses.asdict(value) for value in values]


def _changes(changes: Any) -> list[dict[str, str | None]]:
    return [{"key": c.key, "old": c.old, "new": c.new} for c in changes if isinstance(c, Change)]
