"""The kinds of alerts: one file each, and one line in this table."""

from typing import Final

from afflux.monitor.alerts import (
    connect_unwell,
    dead_letters,
    events_deleted,
    freshness,
    heartbeat_lost,
    kafka_unwell,
    lag,
    registry_unwell,
    retention_running_out,
    shard_away,
    slot_held_back,
    slot_idle,
    slot_lost,
    supervisor_away,
    table_stopped,
    target_away,
    wal_running_out,
)
from afflux.monitor.alerts.kind import Condition, Key, Kind, Policy, Rule, Severity, Silence
from afflux.topology.model import Topology

KINDS: Final = (
    wal_running_out.KIND,
    slot_lost.KIND,
    slot_idle.KIND,
    slot_held_back.KIND,
    shard_away.KIND,
    heartbeat_lost.KIND,
    retention_running_out.KIND,
    events_deleted.KIND,
    lag.KIND,
    freshness.KIND,
    dead_letters.KIND,
    table_stopped.KIND,
    kafka_unwell.KIND,
    connect_unwell.KIND,
    registry_unwell.KIND,
    target_away.KIND,
    supervisor_away.KIND,
)

__all__ = ["KINDS", "Condition", "Key", "Kind", "Policy", "Rule", "Severity", "Silence", "policy_of"]


def policy_of(topology: Topology) -> Policy:
    """Give what a topology says of alerts."""
    return Policy(topology.source.guard, topology.monitor)
