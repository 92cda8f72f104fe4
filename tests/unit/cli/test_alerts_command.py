import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from afflux.cli import app
from afflux.monitor.alerts import KINDS

SMALL = """
name: orders
kafka: {bootstrap_servers: "127.0.0.1:9092"}
registry: {url: "http://127.0.0.1:8081/apis/ccompat/v7"}
connect: {url: "http://127.0.0.1:8083"}
source:
  database: app
  user: cdc
  password: ${env:CDC_PASSWORD}
  shards: [{name: shard0, host: 127.0.0.1}]
  guard: {warn: {within: 3d}}
tables: [{source: public.orders, target: public.orders}]
sinks: [{name: warehouse, type: postgresql, url: "postgresql://127.0.0.1/dw"}]
monitor: {freshness: 7s}
"""


@pytest.fixture
def topology(tmp_path: Path) -> str:
    path = tmp_path / "topology.yaml"
    path.write_text(SMALL)
    return str(path)


def ran(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["alerts", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_has_every_alert_with_the_topology_s_thresholds(topology: str) -> None:
    rows = json.loads(ran("list", "-t", topology, "-o", "json"))
    assert {row["alert"] for row in rows} == {kind.name for kind in KINDS}
    assert "afflux_target_age_seconds > 7" in {row["when"] for row in rows}
    assert 'afflux_wal_loss_seconds{bound="likely"} < 259200' in {row["when"] for row in rows}


def test_rules_are_a_file_for_prometheus(topology: str) -> None:
    page = ran("rules", "-t", topology, "--runbooks", "https://wiki.example.org/afflux")
    (group,) = yaml.safe_load(page)["groups"]
    assert all(
        rule["annotations"]["runbook_url"].startswith("https://wiki.example.org/afflux#") for rule in group["rules"]
    )


def test_the_dashboard_is_json() -> None:
    assert json.loads(ran("dashboard"))["title"] == "afflux"
