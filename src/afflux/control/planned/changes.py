"""Old against new, key by key, without secrets: how actions and refusals say what they are about (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from afflux.clients.catalog import Publication
from afflux.clients.topics import Topic
from afflux.topology.secrets import is_reference, is_secret_key


@dataclass(frozen=True)
class Change:
    """One value that changes; None where there is none."""

    key: str
    old: str | None
    new: str | None


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """Return what differs between two mappings, by key; secrets written out by hand are hidden."""
    keys = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return [Change(key, shown(key, old.get(key)), shown(key, new.get(key))) for key in keys]


def shown(key: str, value: str | None) -> str | None:
    """Return a value as it may be shown: a secret only if it is a mere reference."""
    return "***" if value and is_secret_key(key) and not is_reference(value) else value


def topic_shape(topic: Topic) -> str:
    """Say how a topic is cut, and its settings."""
    replication = "the broker's" if topic.replication is None else str(topic.replication)
    settings = [f"{key}={value}" for key, value in sorted(topic.config.items())]
    return ", ".join([f"partitions={topic.partitions}", f"replication={replication}", *settings])


def publication_difference(old: Publication | None, new: Publication) -> list[Change]:
    """Return the tables that come and go, and the options that change."""
    before, after = old.tables if old else frozenset(), new.tables
    tables = [
        Change(f"{schema}.{name}", *(("published", None) if (schema, name) in before else (None, "published")))
        for schema, name in sorted(before ^ after)
    ]
    return tables + difference(_options(old), _options(new))


def _options(publication: Publication | None) -> dict[str, str]:
    if publication is None:
        return {}
    return {
        "publish": ", ".join(sorted(publication.operations)),
        "publish_via_partition_root": str(publication.via_root).lower(),
        "filters": "yes" if publication.filtered else "none",
    }


def some_of(names: Sequence[str], most: int) -> str:
    """Say some names of many, in their order: `a, b and 3 more`."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
