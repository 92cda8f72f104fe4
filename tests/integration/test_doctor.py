"""`afflux doctor` on the real servers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from afflux.stack import Addresses
from afflux.stack.ports import find_free

pytestmark = pytest.mark.stack

SCHEMA = "doctored"


@pytest.fixture
def declared(addresses: Addresses) -> Iterator[dict[str, Any]]:
    text: dict[str, Any] = yaml.safe_load(addresses.topology.read_text())
    text |= {"name": SCHEMA, "tables": [{"source": f"{SCHEMA}.orders"}]}
    text["source"] |= {"shards": text["source"]["shards"][:1], "guard": {"disk": "10GiB"}}
    with psycopg.connect(addresses.shards[0].admin_url, autocommit=True) as shard:
        shard.execute(f"create schema {SCHEMA}")
        shard.execute(f"create table {SCHEMA}.orders (id int primary key)")
        yield text
        shard.execute(f"drop schema {SCHEMA} cascade")


def doctor(declared: dict[str, Any], folder: Path) -> tuple[int, list[dict[str, str]]]:
    path = folder / "topology.yaml"
    path.write_text(yaml.safe_dump(declared))
    command = [sys.executable, "-m", "afflux", "doctor", "-t", str(path), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else [{"what": done.stderr}]


def test_a_stack_that_is_well_has_nothing_to_mend(declared: dict[str, Any], tmp_path: Path) -> None:
    code, found = doctor(declared, tmp_path)
    assert (code, found) == (0, [])


def test_what_is_wrong_on_a_shard_is_named_with_the_statement_that_mends_it(
    declared: dict[str, Any], tmp_path: Path, addresses: Addresses
) -> None:
    with psycopg.connect(addresses.shards[0].admin_url, autocommit=True) as shard:
        shard.execute(f"alter table {SCHEMA}.orders replica identity nothing")
        code, found = doctor(declared, tmp_path)
        assert code == 3
        (finding,) = found
        assert "replica identity is NOTHING" in finding["what"]
        shard.execute(finding["fix"].encode())
    assert doctor(declared, tmp_path) == (0, [])


def test_a_server_that_does_not_answer_is_one_finding_among_the_others(
    declared: dict[str, Any], tmp_path: Path
) -> None:
    gone = {"name": "shard9", "host": "127.0.0.1", "port": find_free("doctor", ())}
    declared["source"]["shards"].append(gone)
    declared["connect"]["url"] = f"http://127.0.0.1:{gone['port']}"
    code, found = doctor(declared, tmp_path)
    assert code == 1
    assert [finding["where"] for finding in found if finding["severity"] == "unseen"] == [
        "Kafka Connect",
        "shard shard9",
    ]
