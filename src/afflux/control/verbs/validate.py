"""Whether shards can be set up as the topology says: Connect's own validation of each config, and afflux's checks."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from afflux.clients.servers import Servers, servers
from afflux.control.planned.plan import make_plan
from afflux.control.seen.observe import WORKERS, observe
from afflux.control.seen.world import Problem, ShardWorld, World
from afflux.control.wanted.desired import desired
from afflux.control.wanted.settings import PLUGIN_WIRE, TWICE_HINT
from afflux.errors import ConnectError
from afflux.topology.model import Shard, Topology

_HINTS = {"exactly.once.support": TWICE_HINT}


@dataclass(frozen=True)
class Validation:
    """What was found on one shard; nothing at all: it can be set up.

    Args:
        shard: which.
        problems: what stands in the way; `property x` is what Connect says of a connector's property.
    """

    shard: str
    problems: tuple[Problem, ...] = ()


def validate(topology: Topology, *, only: Collection[str] | None = None) -> list[Validation]:
    """Check shards without changing anything: Connect logs in to each, and so does afflux.

    Args:
        topology: as loaded.
        only: the names of the shards that are meant; None for all.

    Raises:
        UsageError: the topology asks for what can't be, or a secret of it can't be found.
        ServerError: Connect, the broker or the registry does not answer.
    """
    to = servers(topology)
    world = observe(topology, to, only=only)
    own = make_plan(topology, world, only=only).problems
    meant = [shard for shard in topology.shards if only is None or shard.name in only]
    with ThreadPoolExecutor(WORKERS) as pool:
        theirs = pool.map(lambda shard: _by_connect(topology, shard, to, world), meant)
        return [
            Validation(shard.name, (*(problem for problem in own if problem.shard == shard.name), *said))
            for shard, said in zip(meant, theirs, strict=True)
        ]


def _by_connect(topology: Topology, shard: Shard, to: Servers, world: World) -> list[Problem]:
    seen = world.shards[shard.name]
    if not isinstance(seen, ShardWorld):
        return []  # afflux can't reach it either, and has said so
    exact = world.plugin.partition(".")[0] == PLUGIN_WIRE
    wanted = desired(topology, shard, seen.relations, exact=exact)
    try:
        found = to.connect.validate({**wanted.config, "name": wanted.connector})
    except ConnectError as error:
        return [Problem(shard.name, "Kafka Connect", error.message, error.hint)]
    return [
        Problem(
            shard.name, f"property {key}", " ".join(complaint.split()), _HINTS.get(key, "Connect's workers say so.")
        )
        for key, complaints in found.items()
        for complaint in complaints
    ]
