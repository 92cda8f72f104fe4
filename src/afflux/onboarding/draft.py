"""A first topology, as data and as the text of `topology.yaml` (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from afflux.clients.catalog import Relation
from afflux.control.wanted.desired import TABLES

REGISTRY = "http://127.0.0.1:8081/apis/ccompat/v7"
KAFKA = "127.0.0.1:9092"
CONNECT = "http://127.0.0.1:8083"
TARGET = "postgresql://afflux:${env:WAREHOUSE_PASSWORD}@127.0.0.1:5432/dw"
PASSWORD = "${env:CDC_PASSWORD}"  # noqa: S105 - a reference


@dataclass(frozen=True)
class Place:
    """A shard: its name and where it is."""

    name: str
    host: str
    port: int = 5432
    database: str = ""


@dataclass(frozen=True)
class Draft:
    """A topology in the making.

    Attributes:
        name: the topology's.
        database: the shards'; one that differs is said with its shard.
        user: who logs in to them.
        password: a reference to its password.
        shards: one at least.
        tables: entries of `tables`: names, or patterns.
        notes: what a person has to look at; they become comments.
    """

    name: str
    database: str
    user: str
    shards: Sequence[Place]
    tables: Sequence[str]
    password: str = PASSWORD
    kafka: str = KAFKA
    registry: str = REGISTRY
    connect: str = CONNECT
    converter: str = "apicurio"
    given: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    target: str = TARGET
    notes: Sequence[str] = ()

    def text(self) -> str:
        """Write it as `topology.yaml`."""
        source: dict[str, Any] = {
            "kind": "postgresql",
            "database": self.database,
            "user": self.user,
            "password": self.password,
            "shards": [self._shard(place) for place in self.shards],
        }
        source |= {"names": dict(self.names)} if self.names else {}
        source |= {"config": dict(self.config)} if self.config else {}
        connect: dict[str, str] = {"url": self.connect} | ({"connectors": "given"} if self.given else {})
        connect |= {"converter": self.converter} if self.converter != "apicurio" else {}
        document = {
            "name": self.name,
            "kafka": {"bootstrap_servers": self.kafka},
            "registry": {"url": self.registry},
            "connect": connect,
            "source": source,
            "tables": [{"source": table} for table in self.tables],
            "transforms": [self._router()],
            "sinks": [{"name": "warehouse", "type": "postgresql", "url": self.target}],
        }
        head = ["Written by `afflux init`. Look it over, then: afflux doctor; connectors plan.", *self.notes]
        comments = "".join(f"# {line}\n" for note in head for line in note.splitlines())
        return comments + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)

    def _shard(self, place: Place) -> dict[str, Any]:
        shard: dict[str, Any] = {"name": place.name, "host": place.host, "port": place.port}
        return shard | ({"database": place.database} if place.database not in {"", self.database} else {})

    def _router(self) -> dict[str, str]:
        """All shards' tables of one name are one table of the target: a topic less its first part is its name."""
        dots = self.names.get("topic_prefix", "{shard}").count(".")
        return {"type": "RegexRouter", "regex": r"[^.]+\." * (dots + 1) + "(.*)", "replacement": "$1"}


def from_shards(
    name: str, user: str, places: Sequence[Place], held: Mapping[str, Iterable[Relation]], *, target: str
) -> Draft:
    """Draft a topology of what shards hold.

    Args:
        name: the topology's.
        user: who logs in.
        places: the shards.
        held: the shard's name -> its relations.
        target: the warehouse's URL, its password a reference.
    """
    tables: dict[str, list[str]] = {}
    notes = []
    for place in places:
        for relation in held[place.name]:
            if relation.kind in TABLES and relation.root is None and relation.logged:
                tables.setdefault(relation.full_name, []).append(place.name)
                if not relation.primary_key and relation.identity != "i":
                    notes.append(
                        f"{relation.full_name} on {place.name} has no primary key: give it one, or a `key` here."
                    )
    for table, shards in tables.items():
        if len(shards) < len(places):
            missing = [place.name for place in places if place.name not in shards]
            notes.append(f"{table} is not on {', '.join(missing)}.")
    common = max((place.database for place in places), key=[place.database for place in places].count)
    return Draft(name, common, user, places, sorted(tables), target=target, notes=list(dict.fromkeys(notes)))
