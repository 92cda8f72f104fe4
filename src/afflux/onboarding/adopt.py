"""Connectors that somebody made by hand, as a topology that fits them (pure).

Their names become templates, so that afflux finds the very same slots, publications and topics; nothing is made anew,
and nothing is copied again. They stay as they are (`connect.connectors: given`) until that line is removed.
"""

from collections.abc import Iterable, Mapping, Sequence

from afflux.clients.connect import Connector
from afflux.control.wanted.converters import CONVERTERS, needed
from afflux.errors import UsageError
from afflux.onboarding.draft import KAFKA, PASSWORD, REGISTRY, Draft, Place
from afflux.topology.routing import unread
from afflux.topology.secrets import is_reference

KIND = "io.debezium.connector.postgresql.PostgresConnector"
_DEFAULTS = {"slot.name": "debezium", "publication.name": "dbz_publication", "plugin.name": "decoderbufs"}
"""Debezium's own, where a config says nothing."""
_NAMES = {"slot.name": "slot", "publication.name": "publication", "topic.prefix": "topic_prefix"}


def adopt(name: str, connect: str, connectors: Mapping[str, Connector], *, target: str) -> Draft:
    """Draft a topology around a cluster's Debezium connectors for PostgreSQL.

    Args:
        name: the topology's.
        connect: the cluster's REST address.
        connectors: all that it runs.
        target: the warehouse's URL, its password a reference.

    Raises:
        UsageError: there are none, they do not read by pgoutput, or their names follow no pattern.
    """
    found = [connector for connector in connectors.values() if connector.config.get("connector.class") == KIND]
    if not found:
        raise UsageError(
            f"Kafka Connect at {connect} has no Debezium connector for PostgreSQL",
            hint="without --from-connect, `afflux init` drafts a topology of the shards themselves",
        )
    for connector in found:
        plugin = _value(connector, "plugin.name")
        if plugin != "pgoutput":
            raise UsageError(
                f"connector {connector.name} reads by {plugin}, and afflux by pgoutput",
                hint="a slot can't change its plugin: let afflux make a connector and a slot of its own",
            )
    shards = _shard_names(found)
    logins = {connector.config.get("database.user", "") for connector in found}
    if len(logins) > 1:
        raise UsageError(
            f"the connectors log in as {', '.join(sorted(logins))}, and a topology has one user",
            hint="adopt them one after the other: give the topology's shards by hand",
        )
    databases = [connector.config.get("database.dbname", "") for connector in found]
    password = next(iter({connector.config.get("database.password", "") for connector in found}))
    registry, notes = _registry(found)
    notes += [
        f"connector {connector.name} has transforms of its own ({connector.config['transforms']})"
        + (
            f", which can't be followed: {reason} (see docs/layouts.md)."
            if (reason := unread(connector.config))
            else "."
        )
        for connector in found
        if connector.config.get("transforms", "") not in {"", "afflux"}
    ]
    if not is_reference(password):
        notes.append(f"The connectors hold their password in clear text; here it is {PASSWORD}.")
    notes.append("The connectors stay as they are. Without `connectors: given`, afflux sets them to its own config:")
    notes.append("`connectors plan` says what would change; slots, offsets and topics stay.")
    return Draft(
        name=name,
        database=max(databases, key=databases.count),
        user=next(iter(logins)),
        password=password if is_reference(password) else PASSWORD,
        shards=[
            Place(
                shard,
                connector.config["database.hostname"],
                int(connector.config.get("database.port", "5432")),
                connector.config.get("database.dbname", ""),
            )
            for shard, connector in zip(shards, found, strict=True)
        ],
        tables=_tables(found),
        kafka=_shared(found, "signal.kafka.bootstrap.servers", KAFKA),
        registry=registry,
        connect=connect,
        converter=_converter(found),
        given=True,
        names=_templates(shards, found),
        target=target,
        notes=notes,
    )


def _shard_names(found: Sequence[Connector]) -> list[str]:
    """Find what tells the connectors apart: the shard's name, of which their other names are made."""
    prefixes = [_value(connector, "topic.prefix") for connector in found]
    if len(set(prefixes)) < len(prefixes):
        raise UsageError(
            "several connectors have the same topic.prefix, so their events can't be told apart by topic",
            hint="docs/layouts.md says how shards keep apart",
        )
    cut = _common(prefixes)
    names = [prefix[cut:] or prefix for prefix in prefixes] if len(prefixes) > 1 else prefixes
    # whole words: shard0 and shard1, and not 0 and 1
    while cut and prefixes[0][cut - 1] not in ".-_":
        cut -= 1
        names = [prefix[cut:] for prefix in prefixes]
    return names


def _common(texts: Sequence[str]) -> int:
    least = min(len(text) for text in texts)
    return next((at for at in range(least) if len({text[at] for text in texts}) > 1), 0 if len(texts) == 1 else least)


def _templates(shards: Sequence[str], found: Sequence[Connector]) -> dict[str, str]:
    made = {"connector": _template("names", shards, [connector.name for connector in found])}
    for key, part in _NAMES.items():
        made[part] = _template(key, shards, [_value(connector, key) for connector in found])
    return made


def _template(what: str, shards: Sequence[str], values: Sequence[str]) -> str:
    """Find a template that gives each shard its value, one with the shard's name in it where there is one."""
    fitting = set.intersection(*(_candidates(shard, value) for shard, value in zip(shards, values, strict=True)))
    if not fitting:
        raise UsageError(
            f"the connectors' {what} follow no pattern: {', '.join(sorted(set(values)))}",
            hint="a topology names them by a template of the shard's name (source.names); adopt those that follow one",
        )
    return max(fitting, key=lambda template: ("{shard}" in template, template))


def _candidates(shard: str, value: str) -> set[str]:
    """Give the templates that make a value of a shard's name; PostgreSQL's names have `_` for `-`."""
    found = {value}
    for name in {shard, shard.replace("-", "_")}:
        places = [at for at in range(len(value)) if value.startswith(name, at)]
        found |= {value[:at] + "{shard}" + value[at + len(name) :] for at in places}
    return found


def _tables(found: Iterable[Connector]) -> list[str]:
    listed = [
        entry.strip()
        for connector in found
        for entry in connector.config.get("table.include.list", r".*\..*").split(",")
        if entry.strip()
    ]
    # Debezium's lists are regular expressions; `public\.orders` is meant as the one table
    return list(dict.fromkeys(entry.replace(r"\.", ".", 1) if _is_plain(entry) else entry for entry in listed))


def _is_plain(entry: str) -> bool:
    return not any(sign in entry.replace(r"\.", "") for sign in "\\^$*+?()[]{}|")


def _registry(found: Sequence[Connector]) -> tuple[str, list[str]]:
    for key in ("value.converter.schema.registry.url", "value.converter.apicurio.registry.url"):
        if url := _shared(found, key, ""):
            return url.replace("/apis/registry/v2", "/apis/ccompat/v7"), []
    return REGISTRY, ["The connectors take the workers' converter; check `registry.url`, and that it is an Avro one."]


def _converter(found: Sequence[Connector]) -> str:
    """Say which `connect.converter` they have; one that is none of them is taken for the workers'."""
    written = _shared(found, "value.converter", "")
    return next((choice for choice in CONVERTERS if written and written in needed(choice)), "worker")


def _shared(found: Iterable[Connector], key: str, otherwise: str) -> str:
    values = {connector.config[key] for connector in found if key in connector.config}
    return values.pop() if len(values) == 1 else otherwise


def _value(connector: Connector, key: str) -> str:
    return connector.config.get(key) or _DEFAULTS.get(key, "")
