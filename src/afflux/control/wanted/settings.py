"""What a shard's connector is set to: the template in `connectors/`, filled in, and the topology's own settings.

Why each setting is what it is stands in `docs/connectors.md`.
"""

import json
import re
from collections.abc import Collection, Iterable
from functools import cache

from afflux.assets import asset
from afflux.clients.catalog import Relation
from afflux.control.wanted.converters import converting, registry_url
from afflux.control.wanted.identities import given_key
from afflux.control.wanted.masks import check_masks, mask_settings
from afflux.control.wanted.security import java_security
from afflux.errors import UsageError
from afflux.topology.kinds import KINDS
from afflux.topology.model import Shard, Topology
from afflux.topology.names import message_prefix, notification_topic, own_topic, shard_names, signal_topic, table_topic
from afflux.topology.routing import SHARD_FIELD, needs_shard
from afflux.topology.tables import match

TOPOLOGY_MARK, SHARD_MARK = "afflux.topology", "afflux.shard"
"""Properties of ours in a connector's config: whose it is. Kafka Connect keeps what it does not know."""

ROOM = 64 * 1024
"""Bytes that a record takes beyond what the topic counts: Kafka compares the request's size, with headers."""
LEAST_BUFFER = 32 * 1024 * 1024
"""The Java producer's default memory for unsent records."""

PLUGIN, PLUGIN_WIRE = "io.afflux.connect.WithoutDefaults", "1"
"""A class of afflux's plugin for Connect, by which a worker is known to have it, and the first number of the versions
whose wire this afflux reads."""
EXACT = {
    "converters": "afflux",
    "afflux.type": "io.afflux.connect.ExactValues",
    "transforms": "afflux",
    "transforms.afflux.type": PLUGIN,
}
"""What a connector needs to use the plugin."""
STOCK = {
    "transforms": "afflux",
    "transforms.afflux.type": PLUGIN,
}
"""What of the plugin others than afflux's own sink can read: NULLs in the place of columns' defaults."""
RESELECT = {
    "post.processors": "reselector",
    "reselector.type": "io.debezium.processors.reselect.ReselectColumnsPostProcessor",
    "reselector.reselect.unavailable.values": "true",
    "reselector.reselect.null.values": "false",
}
"""What reads unchanged large values again at the shard, for a sink that would write Debezium's placeholder."""

KEY_COLUMNS = "message.key.columns"
"""The property that tells Debezium the keys of tables."""
TWICE_HINT = (
    "Let Connect's workers run with exactly.once.source.support=enabled. Without it a change may come twice, which "
    "`append`, `history` and tables without a key would keep; `allow_duplicates: true` bears that."
)

_OWN = {
    "connector.class": "this is what afflux sets up",
    "tasks.max": "a slot has one reader",
    "name": "the connector is named after the shard; see source.names.connector",
    "database.hostname": "the shard's host says it",
    "database.port": "the shard's port says it",
    "database.dbname": "source.database says it",
    "database.user": "source.user says it",
    "database.password": "source.password says it",
    "driver.binaryTransfer": "the driver would write values of later chunks in another way",
    "driver.options": "settings of the database or the role would change values",
    "converters": "afflux's own hands every value over exactly",
    "afflux.type": "afflux's own hands every value over exactly",
    "topic.prefix": "the sink knows a shard by it; see source.names.topic_prefix",
    "slot.name": "the slot is named after the shard; see source.names.slot",
    "publication.name": "the publication is named after the shard; see source.names.publication",
    "publication.autocreate.mode": "afflux makes the publication, so that none is dropped under a live slot",
    "plugin.name": "afflux speaks pgoutput, with a publication",
    "slot.drop.on.stop": "a slot that goes with its reader loses changes",
    "table.include.list": "tables of the topology say it",
    "table.exclude.list": "tables of the topology say it",
    "schema.include.list": "tables of the topology say it",
    "schema.exclude.list": "tables of the topology say it",
    "topic.naming.strategy": "the sink finds a table's topic by Debezium's own naming",
    "topic.delimiter": "the sink finds a table's topic by Debezium's own naming",
    "topic.heartbeat.prefix": "the sink finds the heartbeats by Debezium's own naming",
    "decimal.handling.mode": "other forms round numbers or lose NaN",
    "interval.handling.mode": "other forms lose months and days",
    "time.precision.mode": "the sink reads microseconds",
    "binary.handling.mode": "other forms turn unchanged TOAST into NULL",
    "hstore.handling.mode": "the sink reads hstore as JSON",
    "datatype.propagate.source.type": "the target's types come from it",
    "include.unknown.datatypes": "columns of unknown types would vanish in silence",
    "field.name.adjustment.mode": "column names that Avro refuses would stop the connector",
    "schema.name.adjustment.mode": "table names that Avro refuses would stop the connector",
    "skipped.operations": "the target would miss changes",
    "tombstones.on.delete": "the sink rests on them",
    "unavailable.value.placeholder": "the sink knows unchanged TOAST by it",
    "event.processing.failure.handling.mode": "it would skip events in silence",
    "heartbeat.action.query": "watermarks rest on it",
    "exactly.once.support": "tables that keep every change rest on it; see tables[].allow_duplicates",
    "message.prefix.include.list": "watermarks rest on the heartbeats' messages",
    "message.prefix.exclude.list": "watermarks rest on the heartbeats' messages",
    "flush.lsn.source": "the slot would never move",
    "read.only": "signals come by Kafka",
    "signal.enabled.channels": "signals come by Kafka",
    "signal.kafka.topic": "afflux sends its signals there",
    "signal.kafka.groupId": "connectors of one group would take each other's signals",
    "notification.enabled.channels": "afflux reads them from Kafka",
    "notification.sink.topic.name": "afflux reads them there",
    TOPOLOGY_MARK: "afflux knows its connectors by it",
    SHARD_MARK: "afflux knows its connectors by it",
}
_OWN_ENDINGS = (
    ".converter",
    ".as-confluent",
    ".use-id",
    ".headers.enabled",
    ".auto-register",
    ".auto.register.schemas",
    ".subject.name.strategy",
)


def check_settings(topology: Topology) -> None:
    """Refuse a `source.config` that would take away what afflux promises.

    Raises:
        UsageError: the message names the property and says why.
    """
    check_masks(topology, topology.source.config)
    for key in topology.source.config:
        if key in _OWN:
            raise UsageError(f"source.config can't set {key}: {_OWN[key]}", hint="Remove it from the topology.")
        if key.startswith(("key.converter", "value.converter")) and key.endswith(_OWN_ENDINGS):
            raise UsageError(
                f"source.config can't set {key}: the sink reads the form that afflux sets",
                hint="Remove it from the topology; connect.converter chooses between converters.",
            )


def connector_config(topology: Topology, shard: Shard, tables: Collection[Relation], *, exact: bool) -> dict[str, str]:
    """Return the whole config of a shard's connector.

    Args:
        topology: passed `check_settings`.
        shard: one of its shards.
        tables: what the connector follows, all of them in the shard's publication.
        exact: whether Connect has afflux's plugin, which is used then.

    Returns:
        Property -> value; secrets are references, for Kafka Connect to resolve.

    Raises:
        UsageError: the topology lacks what can't be guessed, such as the registry's own address.
    """
    names = shard_names(topology, shard)
    room = topology.kafka.topics.max_message_bytes + ROOM
    fields = {
        "host": shard.host,
        "port": shard.port,
        "database": shard.database or topology.source.database,
        "user": topology.source.user,
        "password": topology.source.password,
        "topology": topology.name,
        "shard": shard.name,
        "connector": names.connector,
        "slot": names.slot,
        "publication": names.publication,
        "topic_prefix": names.topic_prefix,
        "tables": include_list(tables),
        "message_prefix": message_prefix(topology),
        "message_prefix_regex": re.escape(message_prefix(topology)),
        "signal_topic": signal_topic(topology),
        "notification_topic": notification_topic(topology),
        "bootstrap_servers": topology.kafka.bootstrap_servers,
        "registry_url": registry_url(topology),
        "max_request_size": room,
        "buffer_memory": max(LEAST_BUFFER, room),
        "exactly_once": "required" if any(_is_doubled(topology, table) for table in tables) else "requested",
    }
    whole = template(KINDS[topology.source.kind]) | converting(topology.connect.converter)
    config = {key: value.format(**fields) for key, value in whole.items()}
    consumer = {key for key in topology.source.config if key.startswith("signal.consumer.")}
    if not consumer:
        config |= {f"signal.consumer.{k}": v for k, v in java_security(topology.kafka.properties).items()}
    # Topics are made before the connector starts. This is for those that nobody can foresee, such as a renamed
    # table's or one that a transform of the user's names: without it the connector would stop there.
    made = {
        "partitions": str(topology.kafka.topics.partitions),
        "replication.factor": str(topology.kafka.topics.replication or -1),
        **topic_settings(topology),
    }
    config |= {f"topic.creation.default.{key}": value for key, value in made.items()}
    config |= {key: text(value) for key, value in topology.source.config.items()}
    if given := key_columns(topology, tables):
        theirs = config.get(KEY_COLUMNS, "")
        config[KEY_COLUMNS] = f"{given};{theirs}" if theirs else given
    if needs_shard(topology):
        config |= _with_shard(topology, shard, tables, config["transforms"], config.get("predicates", ""))
    if topology.connect_sinks:
        config = RESELECT | config
    if exact:
        theirs = config.get("transforms", "")
        used = STOCK if topology.connect_sinks else EXACT
        config |= used | {"transforms": f"{theirs},afflux" if theirs else "afflux"}
    # Without the plugin, too: such a connector fails, and one without these lines would hand over clear values.
    return config | mask_settings(topology, tables)


def _with_shard(
    topology: Topology, shard: Shard, tables: Iterable[Relation], transforms: str, predicates: str
) -> dict[str, str]:
    """Return what puts the shard into the keys of events that go to topics of several shards."""
    shared = {table_topic(topology, shard, t.full_name) for t in tables} - {
        own_topic(topology, shard, t.full_name) for t in tables
    }
    if not shared:
        return {}
    return {
        "transforms": f"{transforms},affluxShard",
        "transforms.affluxShard.type": "org.apache.kafka.connect.transforms.InsertField$Key",
        "transforms.affluxShard.static.field": SHARD_FIELD,
        "transforms.affluxShard.static.value": shard.name,
        "transforms.affluxShard.predicate": "affluxShared",
        "predicates": f"{predicates},affluxShared" if predicates else "affluxShared",
        "predicates.affluxShared.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.affluxShared.pattern": "|".join(re.escape(topic) for topic in sorted(shared)),
    }


def key_columns(topology: Topology, tables: Iterable[Relation]) -> str:
    """Return what tells Debezium the declared keys that are not the tables' own; empty where there are none."""
    declared = ((table, match(topology, table.full_name)) for table in tables)
    given = {table.full_name: given_key(table, entry) for table, entry in declared if entry is not None}
    return ";".join(f"{re.escape(name)}:{','.join(key)}" for name, key in sorted(given.items()) if key)


def _is_doubled(topology: Topology, table: Relation) -> bool:
    """Tell whether a change that comes twice would be kept twice."""
    declared = match(topology, table.full_name)
    return declared is not None and declared.mode != "upsert" and not declared.allow_duplicates


def topic_settings(topology: Topology) -> dict[str, str]:
    """Return the settings of a new topic that are not its partitions and replication."""
    topics = topology.kafka.topics
    settings = {"cleanup.policy": "delete", "max.message.bytes": str(topics.max_message_bytes)}
    if topics.min_insync is not None:
        settings["min.insync.replicas"] = str(topics.min_insync)
    if topics.retention is not None:
        settings["retention.ms"] = str(milliseconds(topics.retention))
    return settings


def include_list(tables: Iterable[Relation]) -> str:
    """Return `table.include.list` for exactly these tables: regular expressions, joined by commas."""
    return ",".join(sorted(re.escape(table.full_name).replace(",", r"\,") for table in tables))


def listed(text: str) -> tuple[str, ...]:
    """Return the parts of a list as `include_list` writes it."""
    return tuple(re.findall(r"(?:\\.|[^\\,])+", text, re.DOTALL))


def milliseconds(duration: str) -> int:
    """Return the milliseconds of a duration such as `7d`, `12h`, `30m`, `45s`; -1 for `forever`.

    Raises:
        UsageError: it is none.
    """
    if duration == "forever":
        return -1
    found = re.fullmatch(r"(\d+)\s*(s|m|h|d)", duration.strip())
    if found is None:
        raise UsageError(
            f"kafka.topics.retention: {duration!r} is no duration", hint="Write 7d, 12h, 30m, 45s or forever."
        )
    return int(found[1]) * {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[found[2]]


def text(value: str | float | bool) -> str:
    """Write a property's value as Kafka Connect reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def template(file: str) -> dict[str, str]:
    """Read a template of `connectors/`: property -> value with `{fields}`."""
    loaded: dict[str, str] = json.loads(asset("connectors", file).read_text())
    return loaded
