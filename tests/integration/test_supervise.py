"""A supervisor as a process, and failures in the real parts that hurt nobody else: `make heal` plays all of them."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from afflux.stack import Stack
from chaos.waiting import wait_for
from chaos.worker import Worker
from heal.catalogue import SHARED
from heal.clinic import PATIENCE, Clinic
from heal.failure import play

pytestmark = pytest.mark.stack

SELECTION = ("slot dropped", "password changed")


@pytest.fixture(scope="module")
def clinic(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    patient = Clinic(stack, tmp_path_factory.mktemp("supervise"), f"supervised{os.getpid()}")
    try:
        patient.open()
        yield patient
    finally:
        patient.close()


def pages(supervisor: Worker) -> Iterator[dict[str, Any]]:
    """Follow the page of a supervisor."""
    with requests.get(f"{supervisor._health()}/live", stream=True, timeout=PATIENCE) as answer:
        for line in answer.iter_lines():
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


@pytest.mark.parametrize("name", SELECTION)
def test_a_failure_is_named_and_overcome(clinic: Clinic, name: str) -> None:
    play(clinic, SHARED[name])


def test_another_supervisor_stands_by_and_takes_over(clinic: Clinic) -> None:
    other = Worker("other", clinic.file, clinic.folder / "other-supervisor.log")
    other.verb = clinic.supervisor.verb
    other.start()
    try:
        wait_for(other.up, PATIENCE, lambda: f"the other\n{other.tail()}")
        assert other.metric("afflux_supervisor_leads") == 0
        page = next(page for page in pages(other) if page["shards"][0]["stream"] != "unknown")
        assert (page["leads"], page["shards"][0]["stream"]) == (False, "streaming")
        clinic.connect.delete(clinic.names.connector)
        assert clinic.supervisor.leave() == 0
        clinic.supervisor, other = other, clinic.supervisor
        clinic.supervisor.await_line("leading")
        clinic.await_cause("connector deleted")
        clinic.await_well()
    finally:
        other.kill()


def test_a_shard_that_is_declared_streams(clinic: Clinic) -> None:
    clinic.furnish(1)
    clinic.sql("insert into $.orders values (1000000, 'of another shard')", shard=1)
    clinic.declare(shards=[0, 1])
    clinic.supervisor.send(signal.SIGHUP)
    clinic.await_well()
    clinic.flows()


def test_what_was_done_is_told_with_who_and_why(clinic: Clinic) -> None:
    told = json.loads(clinic.afflux("audit", "-o", "json").stdout)
    (resync,) = [deed for deed in told if deed["action"] == "resynchronise shard"]
    assert (resync["shard"], resync["cause"], resync["result"]) == ("shard0", "slot gone", "done")
    created = [deed for deed in told if deed["action"] == "create connector"]
    assert {change["key"] for change in created[0]["changes"]} >= {"slot.name", "database.password"}
    assert "right" not in json.dumps(told)  # the password
    assert all("@" in deed["by"] and deed["result"] == "done" for deed in told)


def test_the_page_is_told_what_flows_and_what_was_done(clinic: Clinic) -> None:
    clinic.await_well()
    page = next(
        page
        for page in pages(clinic.supervisor)
        if page["deeds"] and page["now"]["came"] is not None and {s["stream"] for s in page["shards"]} == {"streaming"}
    )
    assert page["path"]["connectors"]["streams"]["streaming"] == len(page["shards"])
    assert page["path"]["targets"][0]["lag"] is not None
    assert "create connector" in {deed["action"] for deed in page["deeds"]}
    assert page["leads"]
