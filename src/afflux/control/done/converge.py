"""Make the world as the topology says: observe, plan, apply, observe again."""

from collections.abc import Collection
from dataclasses import dataclass

from afflux.clients.servers import servers
from afflux.control.done.apply import PARALLEL, Outcome, Run
from afflux.control.planned.actions import Risk
from afflux.control.planned.plan import Plan, make_plan
from afflux.control.seen.follow import SETTLE_SECONDS, Progress, settled
from afflux.control.seen.look import status
from afflux.control.seen.observe import observe
from afflux.control.seen.status import ShardStatus
from afflux.topology.model import Topology

WAIT_SECONDS = 120.0
"""How long the shards may take to stream before a run stops waiting for them."""


@dataclass(frozen=True)
class Report:
    """What a run did, and how it left each shard."""

    plan: Plan
    outcomes: tuple[Outcome, ...]
    statuses: tuple[ShardStatus, ...]

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.plan.actions)

    @property
    def ok(self) -> bool:
        """Whether all was done and every shard streams (or makes its first copy, or was paused by somebody)."""
        done = all(outcome.done for outcome in self.outcomes)
        return not self.plan.problems and done and all(status.good for status in self.statuses)

    @property
    def whole(self) -> bool:
        """Whether nothing was left undone for want of leave."""
        return all(refusal.risk is Risk.NONE for refusal in self.plan.refused)


def plan_topology(topology: Topology, *, leave: Collection[Risk] = (), only: Collection[str] | None = None) -> Plan:
    """Return what `apply_topology` would do, and change nothing.

    Args:
        topology: as loaded.
        leave: the risks that may be taken, of `LEAVE`; what has another such risk is in `Plan.refused`.
        only: the names of the shards that are meant; None for all.

    Raises:
        UsageError: the topology asks for what can't be, or a secret of it can't be found.
        ServerError: Connect, the broker or the registry does not answer. A shard that does not is in the plan.
    """
    return make_plan(topology, observe(topology, servers(topology), only=only), leave=leave, only=only)


def apply_topology(
    topology: Topology,
    *,
    report: Progress | None = None,
    wait: float = WAIT_SECONDS,
    leave: Collection[Risk] = (),
    only: Collection[str] | None = None,
    parallel: int = PARALLEL,
) -> Report:
    """Make and set up what each shard needs, and wait until its changes flow. A second run changes nothing.

    Args:
        topology: as loaded.
        report: told (shard, what happened), from several threads; the empty shard is the topology as a whole.
        wait: seconds for the shards to stream; a first copy that takes longer goes on by itself.
        leave: the risks that may be taken, of `LEAVE`.
        only: the names of the shards that are meant; None for all.
        parallel: running connectors that get another config at once, after the first.

    Returns:
        What was done. A shard that fails, or is away, keeps no other from being set up: look at `Report.ok`.

    Raises:
        UsageError: the topology asks for what can't be, or a secret of it can't be found.
        ServerError: Connect, the broker or the registry does not answer.
    """
    to, tell = servers(topology), report or (lambda *_: None)
    plan = make_plan(topology, observe(topology, to, only=only), leave=leave, only=only)
    outcomes = Run(topology, to, wait, tell, parallel).carry_out(plan)
    well = not plan.problems and not plan.refused and all(outcome.done for outcome in outcomes)
    statuses = settled(lambda: status(topology, only=only), min(wait, SETTLE_SECONDS) if well else 0)
    return Report(plan, tuple(outcomes), tuple(statuses))
