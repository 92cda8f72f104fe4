"""Look at every server of a topology before the first apply, and say what stands in the way."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login, servers
from afflux.control.planned.changes import some_of
from afflux.control.planned.masks import INSTALL, LACKS
from afflux.control.seen.observe import WORKERS, required
from afflux.control.seen.world import ShardWorld
from afflux.control.wanted.masks import can_mask, masks_at_source
from afflux.control.wanted.settings import PLUGIN, PLUGIN_WIRE, check_settings
from afflux.errors import AffluxError, NoStateError
from afflux.onboarding.findings import Finding, Severity
from afflux.onboarding.shard_findings import shard_findings
from afflux.sinks import make_state
from afflux.topology.model import Shard, Topology
from afflux.topology.names import consumer_group, shard_names
from afflux.topology.sinks import Sink

_ORDER = list(Severity)


def examine(topology: Topology) -> list[Finding]:
    """Ask every server, in parallel, and change nothing.

    Args:
        topology: as loaded, its shards resolved.

    Returns:
        The findings, the worst first; a server that does not answer is one of them. None at all: all is well.

    Raises:
        UsageError: `source.config` can't be combined with what afflux promises, or a secret can't be found.
    """
    check_settings(topology)
    to = servers(topology)
    with ThreadPoolExecutor(WORKERS) as pool:
        installed = pool.submit(_plugins, to)
        others = [
            pool.submit(_kafka, topology, to),
            pool.submit(_registry, to),
            *(pool.submit(_sink, topology, sink) for sink in topology.own_sinks),
        ]
        plugins = installed.result()
        exact = not isinstance(plugins, Finding) and plugins.get(PLUGIN, "").partition(".")[0] == PLUGIN_WIRE
        shards = [pool.submit(_shard, topology, shard, exact=exact) for shard in topology.shards]
        found = [plugins] if isinstance(plugins, Finding) else list(_connect(topology, plugins))
        found += [finding for look in others for finding in look.result()]
        found += together(finding for look in shards for finding in look.result())
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Say once what is the same on several shards: two hundred of them are mostly set up alike."""
    alike: dict[tuple[Severity, str, str], list[str]] = {}
    for finding in findings:
        alike.setdefault((finding.severity, finding.what, finding.fix), []).append(finding.where)
    return [Finding(severity, _places(places), what, fix) for (severity, what, fix), places in alike.items()]


def _places(places: Sequence[str], most: int = 5) -> str:
    if len(places) == 1:
        return places[0]
    names = [place.removeprefix("shard ") for place in places]
    return f"shards {some_of(names, most)}"


def _plugins(to: Servers) -> dict[str, str] | Finding:
    try:
        return to.connect.plugins()
    except AffluxError as error:
        return unseen("Kafka Connect", error)


def unseen(where: str, error: AffluxError) -> Finding:
    """Say that a server could not be looked at."""
    return Finding(Severity.UNSEEN, where, error.message, error.hint)


def _connect(topology: Topology, plugins: dict[str, str]) -> Iterator[Finding]:
    for name, words in required(topology).items():
        if name not in plugins:
            fix = "Put it into a folder of each worker's plugin.path and restart the workers."
            yield Finding(Severity.ERROR, "Kafka Connect", f"it lacks {words} ({name})", fix)
    version = plugins.get(PLUGIN, "")
    if not version:
        yield Finding(
            Severity.WARNING,
            "Kafka Connect",
            "it lacks afflux's plugin: stock Debezium loses some values, which are named shard by shard",
            "docs/plugin.md: three steps; `afflux stack plugin` makes the jar.",
        )
    elif version.partition(".")[0] != PLUGIN_WIRE:
        yield Finding(
            Severity.ERROR,
            "Kafka Connect",
            f"afflux's plugin there is version {version}, and this afflux reads wire {PLUGIN_WIRE}",
            "Install the plugin of this version on every worker.",
        )
    if masks_at_source(topology) and not can_mask(version):
        yield Finding(
            Severity.ERROR, "Kafka Connect", f"it {LACKS}, and columns shall be masked at the source", INSTALL
        )


def _kafka(topology: Topology, to: Servers) -> Sequence[Finding]:
    try:
        cluster = to.topics.cluster()
    except AffluxError as error:
        return [unseen("Kafka", error)]
    found = []
    wanted = topology.kafka.topics.replication
    if wanted is not None and wanted > cluster.brokers:
        what = f"kafka.topics.replication is {wanted}, and the cluster has {cluster.brokers} broker(s)"
        found.append(Finding(Severity.ERROR, "Kafka", what, "Lower it, or add brokers."))
    if cluster.leaderless:
        topic, partition = min(cluster.leaderless)
        what = f"{len(cluster.leaderless)} partition(s) have no leader, such as {topic}-{partition}"
        found.append(Finding(Severity.ERROR, "Kafka", what, "Bring the brokers back that hold them."))
    return found


def _registry(to: Servers) -> Sequence[Finding]:
    try:
        to.registry.subjects()
    except AffluxError as error:
        return [unseen("schema registry", error)]
    return []


def _sink(topology: Topology, sink: Sink) -> Sequence[Finding]:
    where = f"sink {sink.name}"
    try:
        state = make_state(sink, topology.name, consumer_group(topology, sink))
        try:
            stopped = [
                Finding(
                    Severity.ERROR, where, f"topic {stop.topic} is stopped: {stop.reason}", "See `afflux tables list`."
                )
                for stop in state.stops()
            ]
        finally:
            state.close()
    except NoStateError:
        return []  # it is there, and nothing was applied to it yet
    except AffluxError as error:
        return [unseen(where, error)]
    return stopped


def _shard(topology: Topology, shard: Shard, *, exact: bool) -> Sequence[Finding]:
    names = shard_names(topology, shard)
    try:
        with session(login(topology, shard)) as source:
            world = ShardWorld(
                source.server(),
                tuple(source.relations()),
                source.publication(names.publication),
                source.slot(names.slot),
            )
            columns = source.columns()
    except AffluxError as error:
        return [unseen(f"shard {shard.name}", error)]
    return shard_findings(topology, shard, world, columns, exact=exact)
