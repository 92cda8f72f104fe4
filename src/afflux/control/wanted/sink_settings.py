"""What a shard's connector of Debezium's JDBC sink is set to, of a sink with `engine: connect` (pure).

A connector writes one shard, so that one which stops keeps no other shard back. What each setting is for, and what this
sink does not keep, stands in `docs/layouts.md`.
"""

import re
from collections.abc import Collection, Iterable
from urllib.parse import parse_qsl, quote, urlencode

from afflux.clients.catalog import Relation
from afflux.control.wanted.converters import converting, registry_url
from afflux.control.wanted.settings import ROOM, template, text
from afflux.errors import UsageError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import table_topic
from afflux.topology.sinks import PostgresSink
from afflux.topology.tables import match
from afflux.transforms import build

SINK_CLASS = "io.debezium.connector.jdbc.JdbcSinkConnector"
SINK_MARK = "afflux.sink"
"""The property of ours that tells a sink's connector from its shard's own."""
_WITHOUT_SCHEMA = r"[^.]+\.(.*)", "$1"
_TEMPLATE = "debezium-jdbc-sink.json"

_URL = re.compile(r"postgres(?:ql)?://(?:(?P<user>[^:@/]*)(?::(?P<password>.*))?@)?(?P<server>[^@/]*)/(?P<rest>[^/]*)")
_SAME = frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword"})
"""Parameters of libpq that PostgreSQL's JDBC driver has by the same name."""
_OTHER = {"application_name": "ApplicationName", "connect_timeout": "connectTimeout", "options": "options"}


def sink_config(topology: Topology, shard: Shard, sink: PostgresSink, tables: Collection[Relation]) -> dict[str, str]:
    """Return the whole config of the connector that writes a shard's rows.

    Args:
        topology: its rules are kept.
        shard: one of its shards.
        sink: one of its sinks, with `engine: connect`.
        tables: what the shard's own connector follows; at least one.

    Returns:
        Property -> value; secrets are references, for Kafka Connect to resolve.

    Raises:
        UsageError: the target's address or the tables' names can't be said to this sink.
    """
    topics = {table_topic(topology, shard, table.full_name): table for table in tables}
    url, user, password = _jdbc(sink)
    routed, collection = _collection(topology, topics)
    fields = {
        "topics": ",".join(sorted(topics)),
        "url": url,
        "user": user,
        "password": password,
        "collection": collection,
        "max_record": topology.kafka.topics.max_message_bytes + ROOM,
        "registry_url": registry_url(topology),
        "topology": topology.name,
        "shard": shard.name,
        "sink": sink.name,
    }
    whole = template(_TEMPLATE) | converting(topology.connect.converter)
    whole = template(_TEMPLATE) | converting(topology.connect.converter)
    config = {key: value.format(**fields) for key, value in whole.items()}
    with_shard = [topic for topic, table in topics.items() if _has_shard(topology, table)]
    own = _transforms(topology, shard, sink, with_shard, routed=routed)
    return config | own | {k: text(v) for k, v in sink.config.items()}


def _jdbc(sink: PostgresSink) -> tuple[str, str, str]:
    """Return the target in the words of PostgreSQL's JDBC driver: its URL, user and password."""
    found = _URL.fullmatch(sink.url)
    if found is None:
        raise UsageError(
            f"sink {sink.name}: its url can't be said to the JDBC sink",
            hint="Write postgresql://user:${env:NAME}@host:port/database, references in the password alone.",
        )
    database, _, query = found["rest"].partition("?")
    # Text is taken for whatever type the target's column has, so that numbers come exactly.
    parameters = {"stringtype": "unspecified"}
    for key, value in parse_qsl(query):
        name = key if key in _SAME else _OTHER.get(key)
        if name is None:
            raise UsageError(
                f"sink {sink.name}: its url has {key}, which the JDBC driver does not know by that name",
                hint="Say it under the sink's config, in connection.url, in the driver's words.",
            )
        parameters[name] = value
    url = f"jdbc:postgresql://{found['server']}/{database}?{urlencode(parameters, quote_via=quote, safe='${:}/')}"
    return url, found["user"] or "", found["password"] or ""


def _collection(topology: Topology, topics: Iterable[str]) -> tuple[bool, str]:
    """Return how the sink names tables: whether by what the transforms make of a topic, and its format.

    In a topic's name the sink takes a dot for `_` (observed), so the schema has to stand in the format.
    """
    own, schemas = True, set()
    transforms = build(topology.transforms)
    for topic in topics:
        target = topic
        for transform in transforms:
            target = transform.rename(target)
        own &= topic.endswith(f".{target}")
        schemas.add(target.rpartition(".")[0])
    if own:
        return False, "${source.schema}.${source.table}"
    if len(schemas) == 1 and "." not in (schema := schemas.pop()):
        return True, f"{schema}.${{topic}}"
    raise UsageError(
        "engine: connect: the transforms lead a shard's tables into several schemas, under other names than their own",
        hint="Lead them into one schema, or keep their names; else give them topologies of their own.",
    )


def _transforms(
    topology: Topology, shard: Shard, sink: PostgresSink, with_shard: Collection[str], *, routed: bool
) -> dict[str, str]:
    """Return the transforms: the shard into the key, where it is part of it, and the tables' names."""
    config: dict[str, str] = {}
    names = []
    if with_shard:
        names.append("shard")
        config |= {
            "transforms.shard.type": "org.apache.kafka.connect.transforms.InsertField$Key",
            "transforms.shard.static.field": sink.meta.shard,
            "transforms.shard.static.value": shard.name,
            "transforms.shard.predicate": "withShard",
            "predicates": "withShard",
            "predicates.withShard.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            "predicates.withShard.pattern": "|".join(re.escape(topic) for topic in sorted(with_shard)),
        }
    routers = [(each.regex, each.replacement) for each in topology.transforms] if routed else []
    for number, (regex, replacement) in enumerate([*routers, _WITHOUT_SCHEMA] if routed else []):
        names.append(f"route{number}")
        config |= {
            f"transforms.route{number}.type": "org.apache.kafka.connect.transforms.RegexRouter",
            f"transforms.route{number}.regex": regex,
            f"transforms.route{number}.replacement": replacement,
        }
    return config | ({"transforms": ",".join(names)} if names else {})


def _has_shard(topology: Topology, table: Relation) -> bool:
    declared = match(topology, table.full_name)
    return declared is not None and declared.key == "with_shard"
