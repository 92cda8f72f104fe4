"""The sinks' state is brought to this version's layout before the daemons are replaced."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from afflux.sinks.sql import statements

TOPOLOGY = """
name: orders
kafka: {{bootstrap_servers: "127.0.0.1:1"}}
registry: {{url: "http://127.0.0.1:1/apis/ccompat/v7"}}
connect: {{url: "http://127.0.0.1:1"}}
source: {{database: app, user: cdc, password: "${{env:CDC_PASSWORD}}", shards: [{{name: shard0, host: 127.0.0.1}}]}}
tables: [{{source: public.orders, target: public.orders}}]
sinks:
  - {{name: first, type: postgresql, url: "${{env:FIRST}}"}}
  - {{name: second, type: postgresql, url: "${{env:SECOND}}"}}
"""


@pytest.fixture
def targets(warehouse_url: str) -> Iterator[dict[str, str]]:
    """A target without state, and one that nobody answers for, by the variables that the topology names them with."""
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS afflux CASCADE")
        yield {"FIRST": warehouse_url, "SECOND": "postgresql://127.0.0.1:1/none"}
        connection.execute("DROP SCHEMA IF EXISTS afflux CASCADE")


def migrate(folder: Path, targets: dict[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    topology = folder / "topology.yaml"
    topology.write_text(TOPOLOGY.format())
    command = [sys.executable, "-m", "afflux", "migrate", "--topology", str(topology), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | targets)


def layout_of(url: str) -> int | None:
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('afflux.version')").fetchone() == (None,):
            return None
        row = connection.execute("SELECT max(version) FROM afflux.version").fetchone()
        return int(row[0]) if row else None


def test_the_state_is_made_or_upgraded_and_a_second_run_changes_nothing(
    tmp_path: Path, targets: dict[str, str]
) -> None:
    with psycopg.connect(targets["FIRST"]) as connection:
        connection.execute(statements.CREATE_SCHEMA)
        for statement in statements.LAYOUTS[0]:
            connection.execute(statement)
        connection.execute("INSERT INTO afflux.version VALUES (1)")
    for _ in range(2):
        done = migrate(tmp_path, targets, "--sink", "first")
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == "first: its state has this version's layout\n"
        assert layout_of(targets["FIRST"]) == statements.VERSION


def test_every_sink_is_meant_unless_one_is_named(tmp_path: Path, targets: dict[str, str]) -> None:
    done = migrate(tmp_path, targets)
    assert done.returncode == 1
    assert done.stderr.startswith("first: its state has this version's layout\n")
    assert "sink 'second'" in done.stderr


def test_a_newer_state_is_refused_with_a_sentence(tmp_path: Path, targets: dict[str, str]) -> None:
    assert migrate(tmp_path, targets, "--sink", "first").returncode == 0
    with psycopg.connect(targets["FIRST"]) as connection:
        connection.execute("UPDATE afflux.version SET version = version + 1")
    done = migrate(tmp_path, targets, "--sink", "first")
    assert done.returncode == 1
    assert "and this afflux knows" in done.stderr
    assert "use the newer afflux" in done.stderr
    assert layout_of(targets["FIRST"]) == statements.VERSION + 1
