"""The daemons as their systemd units start, reload and stop them, on the real stack."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from afflux.clients.topics import Topics
from afflux.stack import Addresses
from afflux.stack.ports import find_free
from units import UNITS, settings, start

pytestmark = pytest.mark.stack

TEXT = """
name: units
kafka: {{bootstrap_servers: "{kafka}"}}
registry: {{url: "{registry}"}}
connect: {{url: "{connect}"}}
source:
  database: app
  user: cdc
  password: "${{file:{secrets}:cdc_password}}"
  names: {{topic_prefix: "{{name}}.{{shard}}"}}
  shards: [{{name: shard0, host: {host}, port: {port}}}]
tables: [{{source: units.absent, target: units.absent}}]
sinks: [{{name: warehouse, type: postgresql, url: "${{env:DW_URL}}"}}]
"""


@pytest.mark.parametrize("name", UNITS)
def test_a_daemon_starts_rereads_and_leaves_well(name: str, addresses: Addresses, tmp_path: Path) -> None:
    shard = addresses.shards[0]
    topology = tmp_path / "topology.yaml"
    topology.write_text(
        TEXT.format(
            kafka=addresses.kafka,
            registry=addresses.registry,
            connect=addresses.connect[0],
            secrets=addresses.secrets,
            host=shard.host,
            port=shard.port,
        )
    )
    files = {
        "AFFLUX_TOPOLOGY": str(topology),
        "AFFLUX_PORT": str(find_free(name, set())),
        "DW_URL": addresses.warehouse_url,
    }
    home = Path(sys.executable).parents[1]
    command, environment = start(UNITS[name], instance="warehouse", home=home, environment=files)
    # systemd hands a unit its own variables and little else.
    environment |= {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as daemon:
        try:
            lives(f"http://{environment['AFFLUX_HOST']}:{environment['AFFLUX_PORT']}/livez")
            assert ("ExecReload", "/bin/kill -HUP $MAINPID") in settings(UNITS[name])
            daemon.send_signal(signal.SIGHUP)
            lives(f"http://{environment['AFFLUX_HOST']}:{environment['AFFLUX_PORT']}/livez")
        finally:
            daemon.terminate()
        said = daemon.communicate(timeout=90)[1]
    topics = Topics(addresses.kafka)
    topics.delete(topic for topic in topics.names() if topic.startswith("afflux.units."))
    assert daemon.returncode == 0, said
    assert '"event": "stopped"' in said


@retry(
    retry=retry_if_exception_type((requests.RequestException, AssertionError)),
    wait=wait_fixed(0.5),
    stop=stop_after_delay(90),
    reraise=True,
)
def lives(url: str) -> None:
    answer = requests.get(url, timeout=5)
    assert answer.status_code == requests.codes.ok, answer.text
