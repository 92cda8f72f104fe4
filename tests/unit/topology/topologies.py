"""Hypothesis strategies for topologies that are right, and a small one to spoil by hand."""

import string
from typing import Any

import yaml
from hypothesis import strategies as st

from afflux.topology.model import Topology

SMALL = """\
name: orders
kafka: {bootstrap_servers: "127.0.0.1:9092"}
registry: {url: "http://127.0.0.1:8081/apis/ccompat/v7"}
connect: {url: "http://127.0.0.1:8083"}
source:
  database: app
  user: ${env:CDC_USER}
  password: ${env:CDC_PASSWORD}
  shards:
    - {name: shard0, host: 127.0.0.1, port: 5432}
    - {name: shard1, host: 127.0.0.1, port: 5433}
tables:
  - source: public.orders
transforms:
  - {type: RegexRouter, regex: 'shard[0-9]+\\.(.*)', replacement: '$1'}
sinks:
  - {name: warehouse, type: postgresql, url: "postgresql://afflux:${env:DW_PASSWORD}@127.0.0.1/dw"}
"""


def small() -> dict[str, Any]:
    """The small topology as data, to be changed."""
    data: dict[str, Any] = yaml.safe_load(SMALL)
    return data


NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,23}", fullmatch=True)
SIMPLE = st.from_regex(r"[A-Za-z0-9_]{1,20}", fullmatch=True)
WORDS = st.text(min_size=1, max_size=20).filter(lambda text: text.strip() and "${" not in text)
VARIABLES = st.text(string.ascii_uppercase + "_", min_size=1, max_size=12)
REFERENCES = st.one_of(
    VARIABLES.map(lambda name: f"${{env:{name}}}"),
    st.tuples(SIMPLE, SIMPLE).map(lambda pair: f"${{file:/run/{pair[0]}:{pair[1]}}}"),
)
HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5})?", fullmatch=True), st.ip_addresses().map(str), REFERENCES
)
PORTS = st.integers(1, 65535)
AT_LEAST_1 = st.integers(1, 2**31)
_HTTP = st.one_of(REFERENCES, st.tuples(SIMPLE, PORTS).map(lambda pair: f"http://{pair[0]}:{pair[1]}/apis"))
_POSTGRESQL = st.one_of(
    REFERENCES,
    st.tuples(NAMES, REFERENCES, SIMPLE).map(lambda parts: f"postgresql://{parts[0]}:{parts[1]}@{parts[2]}/dw"),
)
_PROPERTIES = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}\.[a-z]{1,6}\.x", fullmatch=True),
    st.one_of(WORDS, REFERENCES, st.integers(), st.booleans()),
    max_size=3,
)
_SCALARS = st.one_of(st.text(max_size=10), st.integers(), st.booleans(), st.floats(allow_nan=False))


def _optional(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


def _mapping(optional: dict[str, st.SearchStrategy[Any]], **keys: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(keys, optional=optional)


_TOPICS = st.one_of(
    _optional(partitions=AT_LEAST_1, retention=st.sampled_from(["7d", "12h", "45s", "forever"])),
    _optional(max_message_bytes=AT_LEAST_1, min_insync=st.integers(1, 3)),
    _optional(replication=st.integers(3, 5), min_insync=st.integers(1, 3)),
)
_KAFKA = _mapping(
    {"properties": _PROPERTIES, "topics": _TOPICS},
    bootstrap_servers=st.lists(st.tuples(SIMPLE, PORTS).map(lambda p: f"{p[0]}:{p[1]}"), min_size=1, max_size=3).map(
        ",".join
    ),
)
_SHARDS = st.lists(
    _mapping({"port": PORTS, "database": WORDS}, name=NAMES, host=HOSTS),
    min_size=1,
    max_size=5,
    unique_by=lambda shard: shard["name"].replace("-", "_"),
)
_DIRECTORY = st.fixed_dictionaries({"query": st.fixed_dictionaries({"url": _POSTGRESQL, "sql": WORDS})})
_TIMES = st.tuples(st.integers(1, 90), st.sampled_from("smhd")).map(lambda pair: f"{pair[0]}{pair[1]}")
_GUARD = st.one_of(
    _optional(disk=st.sampled_from(["512MiB", "1GiB", "20TiB"]), warn=_optional(within=st.just("2d"))),
    _optional(page=_optional(within=st.sampled_from(["1s", "30m", "12h"]), used=st.integers(50, 95))),
    st.builds(lambda: {"disk": "1GiB", "last_resort": {"shards": "all", "within": "1m"}}),  # new ones, to be spoilt
)
_MONITOR = _optional(
    freshness=_TIMES,
    alerts=_optional(lag=st.integers(0, 2**40), lasting=_TIMES, heartbeat=_TIMES, retention=_optional(warn=_TIMES)),
)
_SOURCE = _mapping(
    {
        "guard": _GUARD,
        "kind": st.just("postgresql"),
        "config": st.dictionaries(SIMPLE.map(lambda key: f"{key}.x"), _SCALARS, max_size=3),
        "names": _optional(
            connector=st.sampled_from(["{shard}.{name}", "{name}_{shard}"]),
            slot=st.sampled_from(["s_{shard}", "{shard}_{name}"]),
            publication=st.just("p-{shard}"),
            topic_prefix=st.sampled_from(["{shard}", "{name}-{shard}"]),
        ),
    },
    database=WORDS,
    user=st.one_of(WORDS, REFERENCES),
    password=st.one_of(REFERENCES, st.just("")),
    shards=st.one_of(_SHARDS, _DIRECTORY),
)
_SINKS = st.lists(
    _mapping(
        {"batch": _optional(rows=AT_LEAST_1, bytes=AT_LEAST_1, seconds=st.floats(0.001, 1e9))},
        name=NAMES,
        type=st.just("postgresql"),
        url=_POSTGRESQL,
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda sink: sink["name"],
)
_DEFAULTS = {"key": st.just("source"), "mode": st.just("upsert"), "deletes": st.just("hard"), "shards": st.just("all")}
_TABLES = st.lists(st.tuples(SIMPLE, SIMPLE, _optional(**_DEFAULTS)), min_size=1, max_size=4, unique_by=lambda t: t[:2])
_PATTERNS = st.lists(st.sampled_from([r"public\..*", r"(a|b)\.[a-z]+", r"x\.(?<name>y+)"]), max_size=2, unique=True)


@st.composite
def data(draw: st.DrawFn) -> dict[str, Any]:
    """A topology as a file may hold it, some optional keys there and some not."""
    targets_given = draw(st.booleans())
    tables = [
        {"source": f"{schema}.{table}", **others, **({"target": f"to-{place}.t"} if targets_given else {})}
        for place, (schema, table, others) in enumerate(draw(_TABLES))
    ]
    tables += [{"source": pattern} for pattern in draw(_PATTERNS)]
    routers = [] if targets_given else [{"type": "RegexRouter", "regex": r"[^.]+\.(.*)", "replacement": "$1"}]
    return {
        "name": draw(NAMES),
        "kafka": draw(_KAFKA),
        "registry": draw(_mapping({"properties": _PROPERTIES}, url=_HTTP)),
        "connect": draw(_mapping({"registry_url": _HTTP}, url=_HTTP)),
        "source": draw(_SOURCE),
        "tables": draw(st.permutations(tables)),
        "transforms": routers,
        "sinks": draw(_SINKS),
        "monitor": draw(_MONITOR),
    }


def topologies() -> st.SearchStrategy[Topology]:
    """A topology that is right."""
    return data().map(Topology.model_validate)
