import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from afflux.errors import TopologyError
from afflux.topology.keys import KNOWN, keys_of, nearest, paths
from afflux.topology.load import load, loads
from afflux.topology.model import Topology
from afflux.topology.put_off import PUT_OFF
from unit.topology.topologies import SMALL, data, small, topologies

JARGON = re.compile(
    r"Input should|Value error|type=|_type|pydantic|validat|NoneType|\bstr\b|\bint\b|\bdict\b", re.IGNORECASE
)
SECRET = "hunter2-in-clear"


def complaints(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        loads(text)
    assert caught.value.exit_code == 2
    return caught.value.message.splitlines()


def complaints_of(changed: dict[str, Any]) -> list[str]:
    lines = complaints(yaml.safe_dump(changed, sort_keys=False))
    return [re.sub(r"^topology\.yaml line \d+: ", "", line) for line in lines]


@settings(max_examples=25)  # whole topologies are slow to draw
@given(topologies(), st.booleans(), st.sampled_from([True, False, None]))
def test_any_topology_written_as_yaml_loads_as_itself(topology: Topology, whole: bool, flow: bool | None) -> None:
    dumped = topology.model_dump(exclude_defaults=not whole)
    assert loads(yaml.safe_dump(dumped, default_flow_style=flow)) == topology


def mappings(value: Any, place: str = "") -> list[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        return [(place, value), *(m for k, v in value.items() for m in mappings(v, f"{place}.{k}".removeprefix(".")))]
    return [m for v in value for m in mappings(v, f"{place}[]")] if isinstance(value, list) else []


def misspelt(key: str) -> st.SearchStrategy[str]:
    places = st.integers(0, len(key) - 1)
    return st.one_of(
        places.map(lambda n: key[:n] + key[n] + key[n:]),
        places.map(lambda n: key[:n] + key[n + 1 :]) if len(key) > 3 else st.nothing(),
        st.just(key.upper()),
        st.just(key.replace("_", "-")) if "_" in key else st.nothing(),
    )


@settings(max_examples=25)  # likewise
@given(data(), st.data())
def test_any_unknown_key_is_named_with_its_line_and_the_key_that_was_meant(
    whole: dict[str, Any], more: st.DataObject
) -> None:
    known = [(place, mapping) for place, mapping in mappings(whole) if place in KNOWN]
    place, mapping = more.draw(st.sampled_from(known))
    keys = keys_of(place, mapping) or []
    meant = more.draw(st.sampled_from(keys))
    wrong = more.draw(misspelt(meant))
    assume(wrong not in KNOWN[place])
    mapping[wrong] = "misspelt-here"
    text = yaml.safe_dump(whole, sort_keys=False)
    number = next(n for n, line in enumerate(text.splitlines(), 1) if "misspelt-here" in line)
    [line] = [line for line in complaints(text) if "unknown key" in line]
    assert line.startswith(f"topology.yaml line {number}: unknown key {wrong!r} ")
    assert line.endswith(f"; did you mean {meant!r}?")


def test_a_key_of_another_type_of_sink_is_said_to_be_that() -> None:
    spoilt = small()
    spoilt["sinks"][0]["path"] = "/lake"
    assert complaints_of(spoilt) == ["unknown key 'path' in sinks[0]; one whose type is delta has it"]


@settings(max_examples=25)  # likewise
@given(data(), st.data())
def test_any_missing_key_is_named_and_nothing_else_is_said(whole: dict[str, Any], more: st.DataObject) -> None:
    required = {
        *("name", "kafka", "registry", "connect", "source", "tables", "sinks", "kafka.bootstrap_servers"),
        *("source.database", "source.user", "source.password", "source.shards", "source.shards[].host", "sinks[].url"),
    }
    there = [(m, key) for place, m in mappings(whole) for key in m if f"{place}.{key}".removeprefix(".") in required]
    mapping, key = more.draw(st.sampled_from(there))
    del mapping[key]
    [line] = complaints_of(whole)
    assert line.startswith(f"key {key!r} is missing ")


ODD: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["${", "$1", "("])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["query", "url", "name", "x"]), inner)
    ),
    max_leaves=4,
)


@settings(max_examples=25)  # likewise
@given(data(), st.data())
def test_whatever_is_wrong_is_said_in_plain_words_and_shows_no_secret(
    whole: dict[str, Any], more: st.DataObject
) -> None:
    whole["source"]["password"] = SECRET
    places: list[tuple[Any, Any]] = []
    for _, mapping in mappings(whole):
        places += [(mapping, key) for key in mapping]
        places += [(value, n) for value in mapping.values() if isinstance(value, list) for n in range(len(value))]
    for container, key in more.draw(st.lists(st.sampled_from(places), min_size=1, max_size=4)):
        container[key] = more.draw(ODD)
    whole["source_"] = SECRET
    lines = complaints(yaml.safe_dump(whole, sort_keys=False))
    for line in lines:
        assert re.match(r"topology\.yaml line \d+: \S", line)
        assert not JARGON.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", line)), line
        assert SECRET not in line


def test_all_that_is_wrong_is_said_at_once_sorted_by_line() -> None:
    text = """\
name: orders
kafka: {bootstrap_servers: "127.0.0.1"}
registry: {url: "http://127.0.0.1:8081"}
connect: {url: "http://127.0.0.1:8083"}
source:
  databse: app
  user: on
  password: hunter2
  shrads:
    - {name: shard0, host: "127.0.0.1:5432", port: 70000}
    - {name: Shard 1, host: 127.0.0.1, port: "5433"}
    - {name: shard0, host: 127.0.0.1}
tables:
  - source: public.orders
    mode: upsrt
  - source: '(public'
  - source: public.orders
    source: public.items
transforms:
  - {type: RegexRouter, regex: 'shard[0-9]+\\.(.*)', replacement: '$2'}
sinks:
  - {name: warehouse, type: postgresql, url: "postgresql://u:hunter2@h/dw", batch: {rows: 0}}
tables_: []
"""
    how = "write a reference such as ${env:NAME} or ${file:/path/to/secrets.properties:key}"
    assert [line.removeprefix("topology.yaml line ") for line in complaints(text)] == [
        "2: kafka.bootstrap_servers must be brokers as host:port, separated by commas",
        "6: unknown key 'databse' in source; did you mean 'database'?",
        "7: source.user must be text; put it in quotes",
        f"8: source.password is written in clear; {how}",
        "9: unknown key 'shrads' in source; did you mean 'shards'?",
        "10: source.shards[0].host holds a port; that goes into the key `port`",
        "10: source.shards[0].port must be at most 65535, not 70000",
        "11: source.shards[1].name must be 1 to 48 lower case letters, digits, '_' and '-', the first a letter or digit, not 'Shard 1'",
        "11: source.shards[1].port must be a whole number; take the quotes off",
        "12: shard 'shard0' is there twice",
        "15: tables[0].mode must be 'upsert' or 'append' or 'history', not 'upsrt'; did you mean 'upsert'?",
        "16: tables[1].source is no regular expression that Java and afflux both know: missing ), unterminated subpattern at position 0",
        "17: table 'public.orders' is there twice",
        "18: key 'source' stands twice in tables[2], first on line 17",
        "20: RegexRouter: replacement '$2': the regex has 1 group(s), and no $2",
        "22: sinks[0].batch.rows must be at least 1, not 0",
        "22: sinks[0].url has a password in clear; write it as a reference, such as ://user:${env:NAME}@host",
        "23: unknown key 'tables_' at the top level; did you mean 'tables'?",
    ]


@pytest.mark.parametrize("line", PUT_OFF)
def test_what_is_put_off_is_called_not_in_this_version_and_nothing_more(line: str) -> None:
    changed = small()
    path, _, value = line.partition(" = ")
    *parents, key = path.replace("[]", ".0").split(".")
    target: Any = changed
    for part in parents:
        target = target[int(part) if part.isdigit() else part]
    target[key] = ["id"] if value == "[...]" else value or {"anything": 1}
    if key == "type":  # its other keys are not judged either
        target |= {"fields": "id", "path": "/data"}
        del target["url" if "url" in target else "regex"]
    [said] = complaints_of(changed)
    assert said.endswith(" is not in this version")
    assert repr(value or key) in said or value == "[...]"


def test_nothing_that_is_put_off_is_built() -> None:
    assert not {line for line in PUT_OFF if " = " not in line} & set(paths())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("source.password", SECRET),
        ("source.password", f"${{env:A}}{SECRET}"),
        ("sinks.0.url", f"postgresql://u:{SECRET}@h/dw"),
        ("sinks.0.url", f"postgresql://u:{SECRET}/@h/dw"),
        ("sinks.0.url", f"postgresql://u@h/dw?password={SECRET}"),
        ("sinks.0.url", f"mysql://u:{SECRET}@h/dw"),
        ("source.shards", {"query": {"url": f"postgres://u:{SECRET}@h/dw", "sql": "select 1"}}),
        ("registry.url", f"http://u:{SECRET}@h"),
        ("connect.url", f"http://u:{SECRET}@h"),
        ("connect.registry_url", f"http://u:{SECRET}@h"),
        ("kafka.properties", {"sasl.password": SECRET}),
        ("kafka.properties", {"sasl.jaas.config": f'x password="{SECRET}";'}),
        ("registry.properties", {"basic.auth.user.info": f"me:{SECRET}"}),
        ("source.config", {"signal.consumer.ssl.keystore.password": SECRET}),
    ],
)
def test_a_secret_in_clear_is_refused_without_showing_it(path: str, value: object) -> None:
    changed = small()
    *parents, key = path.split(".")
    target: Any = changed
    for part in parents:
        target = target[int(part) if part.isdigit() else part]
    target[key] = value
    said = "\n".join(complaints_of(changed))
    assert "in clear" in said
    assert "${env:NAME}" in said
    assert SECRET not in said


def test_no_chained_exception_carries_the_file_along() -> None:
    with pytest.raises(TopologyError) as caught:
        loads(SMALL.replace("${env:CDC_PASSWORD}", f"[{SECRET}]"))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


_WAREHOUSE = 'type: postgresql, url: "postgresql://afflux:${env:DW_PASSWORD}@127.0.0.1/dw"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("${env:CDC_PASSWORD}", "${CDC_PASSWORD}", "source.password holds ${CDC_PASSWORD}, which is no reference"),
        ("${env:CDC_PASSWORD}", "${vault:pg:pw}", "source.password holds ${vault:pg:pw}, which is no reference"),
        ("public.orders", "orders", "tables[0].source must be schema.table"),
        ("public.orders", "public.orders, target: orders", "not YAML"),
        ("public.orders", "public.orders\n    target: orders", "tables[0].target must be schema.table"),
        ("public.orders", "public.*\n    target: a.b", "would pour many tables into one target"),
        ("public.orders", "public.orders\n  - {source: b.c, target: public.orders}", "goes already"),
        ("replacement: '$1'", "replacement: 'all'", "goes to 'all', which is no schema.table"),
        ("shard[0-9]+", "shardx", "goes to 'shard0.public.orders', which is no schema.table"),
        ("replacement: '$1'", "replacement: '$x'", "'$' wants a group behind it"),
        (
            "replacement: '$1'",
            "replacement: '$1', x: 1",
            "unknown key 'x' in transforms[0]; the keys here are type, regex",
        ),
        ("name: orders", "name: orders\nport: 1", "unknown key 'port' at the top level; it belongs in source.shards[]"),
        ("name: orders", "name: orders\nname: items", "key 'name' stands twice at the top level, first on line 1"),
        ("name: orders", "name: !env orders", "name has the tag !env, which means nothing here"),
        ("name: orders", "name: &me [*me]", "name must be text, not a list"),
        ("name: orders", "name: 12", "name must be text; put it in quotes"),
        ("name: orders", "name:", "name must be text, but there is nothing"),
        ("port: 5432", "port: 5432.5", "source.shards[0].port must be a whole number, not a number"),
        ("user: ${env:CDC_USER}", "user: ' '", "source.user is empty"),
        ("9092", "9092,kafka", "kafka.bootstrap_servers must be brokers as host:port, separated by commas"),
        ('9092"}', '9092", topics: {retention: 7 days}}', "kafka.topics.retention must be a duration such as 7d"),
        ('9092"}', '9092", topics: {replication: 1, min_insync: 2}}', "min_insync 2 is more than the 1 of replication"),
        ('connect: {url: "http://', 'connect: {url: "', "connect.url must be a URL that begins with http://"),
        (
            "type: postgresql",
            "type: snowflake",
            "sinks[0].type must be 'postgresql' or 'delta' or 'sql', not 'snowflake'",
        ),
        ("postgresql://", "jdbc:postgresql://", "sinks[0].url must be a URL such as postgresql://"),
        ("type: postgresql", "url: x", "key 'type' is missing in sinks[0]"),
        (_WAREHOUSE, 'type: postgresql, url: "mysql://h/d"', "must be a URL such as postgresql://user:"),
        (_WAREHOUSE, 'type: sql, url: "postgresql://h/d"', "is PostgreSQL, which has a sink of its own"),
        (_WAREHOUSE, 'type: sql, url: "oracle://h/d"', "is Oracle, which holds an empty text as no value"),
        (_WAREHOUSE, 'type: sql, url: "duckdb:///:memory:"', "is a database in memory, which ends with the daemon"),
        (_WAREHOUSE, 'type: sql, url: "mysql://u:secret@h/d"', "sinks[0].url"),
        (_WAREHOUSE, "type: delta, path: lake", "sinks[0].path must be an absolute path, or an address such as s3://"),
        (_WAREHOUSE, "type: delta, path: /my lake", "sinks[0].path may hold ASCII letters, digits and"),
        (_WAREHOUSE, "type: delta, path: /lake, metaa: x", "unknown key 'metaa' in sinks[0]; did you mean 'meta'?"),
        (
            _WAREHOUSE,
            "type: delta, path: s3://b/l, storage_options: {aws_secret_access_key: abc}",
            "sinks[0].storage_options.aws_secret_access_key is a secret written in clear",
        ),
        (
            "name: orders",
            "name: orders\nmonitor: {page: {tokens: {ops: abc}}}",
            "monitor.page.tokens.ops is written in clear",
        ),
        ("name: orders", "name: orders\nmonitor: {page: {hosts: ['page:80']}}", "monitor.page.hosts[0] holds a port"),
        (_WAREHOUSE, "type: delta, path: /l, tables: [{target: '('}]", "sinks[0].tables[0].target is no regular"),
        ("regex: 's", "regex: '(?P<a>x)s", "is Python's and not Java's"),
        ("shards:", "names: {slot: '{shrd}'}\n  shards:", "placeholder {shrd} is none of {name} and {shard}"),
        ("shards:", "names: {slot: '{shard'}\n  shards:", "a brace is open or closed alone"),
        (
            "shards:",
            "names: {slot: 'Slot {shard}'}\n  shards:",
            "only lower case letters, digits and '_' are legal there",
        ),
        ("shards:", "names: {topic_prefix: one}\n  shards:", "makes 'one' for shard 'shard0' and for shard 'shard1'"),
        (
            "shards:",
            "names: {slot: 'a{name}a{name}a{name}a{name}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{shard}'}\n  shards:",
            "63",
        ),
        (
            "name: shard1",
            "name: s-1, host: 127.0.0.1, port: 5433}\n    - {name: s_1",
            "makes 'afflux_orders_s_1' for shard 's-1' and for shard 's_1'",
        ),
        ("tables:", "tables: []\nx:", "tables must have at least one entry"),
    ],
)
def test_it_says_what_is_wrong(old: str, new: str, said: str) -> None:
    assert old in SMALL
    assert said in "\n".join(complaints(SMALL.replace(old, new, 1)))


def test_a_reference_inside_braces_is_told_to_take_quotes() -> None:
    [line] = complaints("name: orders\nsource: {password: ${env:X}}\n")
    assert line.startswith("topology.yaml line 2: not YAML: ")
    assert line.endswith("inside { } a reference needs quotes: '${env:NAME}'")


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "- a\n", "orders", "a: [", "a: *b", "a: 1\n---\nb: 2\n", "a: \x00", "[" * 5000]
)
def test_what_is_no_yaml_mapping_is_refused_in_one_line(text: str) -> None:
    [line] = complaints(text)
    assert line.startswith("topology.yaml")


def test_anchors_and_merges_are_understood() -> None:
    merged = SMALL.replace(
        "- {name: shard0, host: 127.0.0.1, port: 5432}", "- &first {name: shard0, host: 127.0.0.1, port: 5432}"
    )
    merged = merged.replace("- {name: shard1, host: 127.0.0.1, port: 5433}", "- {<<: *first, name: shard1, port: 5433}")
    assert loads(merged) == loads(SMALL)


def test_properties_may_be_numbers_and_truth_values() -> None:
    changed = small()
    changed["kafka"]["properties"] = {"linger.ms": 5, "enable.idempotence": True}
    assert loads(yaml.safe_dump(changed)).kafka.properties == {"linger.ms": "5", "enable.idempotence": "true"}


@pytest.mark.parametrize(
    ("retention", "milliseconds"), [("7d", 604_800_000), ("45s", 45_000), ("forever", -1), (None, None)]
)
def test_retention_is_a_duration(retention: str | None, milliseconds: int | None) -> None:
    changed = small()
    changed["kafka"]["topics"] = {"retention": retention}
    assert loads(yaml.safe_dump(changed)).kafka.topics.retention_ms == milliseconds


def test_a_missing_file_is_told_how_to_get_one(tmp_path: Path) -> None:
    path = tmp_path / "topology.yaml"
    with pytest.raises(TopologyError, match=r"there is no file .*topology\.yaml$") as caught:
        load(path, environ={})
    assert "afflux stack up" in caught.value.hint
    with pytest.raises(TopologyError, match=r"\(named by AFFLUX_TOPOLOGY\)"):
        load(path, environ={"AFFLUX_TOPOLOGY": str(path)})


def test_a_folder_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="is a folder"):
        load(tmp_path)
    path = tmp_path / "topology.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(TopologyError, match="is not UTF-8 text"):
        load(path)


def test_messages_call_the_file_by_the_path_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL.replace("name: orders", "nme: orders"))
    with pytest.raises(TopologyError) as caught:
        load(path)
    assert caught.value.message == f"{path} line 1: unknown key 'nme' at the top level; did you mean 'name'?"


def test_nearest_minds_neither_capitals_nor_dashes() -> None:
    assert nearest("BOOTSTRAP-SERVERS", ["properties", "bootstrap_servers"]) == "bootstrap_servers"
    assert nearest("zzz", ["properties", "bootstrap_servers"]) is None
