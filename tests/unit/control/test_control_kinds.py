"""Kinds of shards: a line of a table and a template, and all others refused by name."""

import json
from pathlib import Path

import pytest

from afflux.control.wanted.settings import connector_config
from afflux.errors import TopologyError
from afflux.topology.kinds import KINDS
from afflux.topology.load import loads
from unit.control.worlds import TEXT, topology


def text(kind: str) -> str:
    filled = TEXT.format(shards="    - {name: shard0, host: db0}", pattern="public.orders")
    return filled.replace("source:\n", f"source:\n  kind: {kind}\n")


@pytest.mark.parametrize("kind", ["mysql", "sqlserver", "oracle", "mongodb"])
def test_another_kind_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(TopologyError, match=f"source.kind '{kind}' is not in this version; there is 'postgresql'"):
        loads(text(kind))


def test_a_kind_is_one_template_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = tmp_path / "debezium-mysql.json"
    lines = {"connector.class": "io.debezium.connector.mysql.MySqlConnector", "database.hostname": "{host}"}
    template.write_text(json.dumps(lines | {"topic.prefix": "{topic_prefix}"}))
    monkeypatch.setitem(KINDS, "mysql", str(template))
    loaded = loads(text("mysql"))
    config = connector_config(loaded, loaded.shards[0], [], exact=False)
    assert config.items() >= {**lines, "database.hostname": "db0", "topic.prefix": "shard0"}.items()


def test_every_kind_has_a_template_that_names_its_connector() -> None:
    for kind in KINDS:
        of = topology(kind=kind)
        assert "connector.class" in connector_config(of, of.shards[0], [], exact=False)
