"""Every failure in the real part, under a supervisor: named by its cause, healed or explained, and no row wrong after it.

Run it by `make heal`; ONLY=<words> plays those whose names hold them.
"""

import itertools
import json
import os
import re
from collections.abc import Callable, Iterator

import pytest

from afflux.person import person
from afflux.stack import Stack
from heal.catalogue import FAILURES, NEWER
from heal.clinic import Clinic
from heal.failure import Failure, play

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


Clinics = Callable[[], Clinic]


@pytest.fixture(scope="module")
def clinics(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinics]:
    """Give the patient; another one, where the last failure has not ended well."""
    current: list[Clinic] = []
    numbers = itertools.count(1)

    def give() -> Clinic:
        if current and current[0].spoilt:
            current.pop().close()
        if not current:
            name = f"heal{os.getpid()}x{next(numbers)}"
            current.append(Clinic(stack, tmp_path_factory.mktemp(name), name))
            current[0].open()
        return current[0]

    yield give
    if current:
        current.pop().close()


@pytest.mark.parametrize("name", [pytest.param(name, id=re.sub(r"[^a-z0-9]+", "-", name.lower())) for name in FAILURES])
def test_a_failure_is_named_and_overcome(
    clinics: Clinics, name: str, record_property: Callable[[str, object], None]
) -> None:
    record_property("failure", (FAILURES[name], play(clinics(), FAILURES[name])))


def test_beside_another_supervisor_once_does_nothing(clinics: Clinics) -> None:
    beside = clinics().afflux("supervise", "--once")
    assert (beside.returncode, beside.stdout) == (0, "")
    assert f"another supervisor acts: {person()}:{clinics().supervisor.pid}" in beside.stderr


def test_once_heals_what_it_can_and_says_what_it_cannot(clinics: Clinics) -> None:
    clinic = clinics()
    clinic.await_well()
    clinic.spoilt = True
    assert clinic.supervisor.leave() == 0
    clinic.connect.delete(clinic.names.connector)
    healed = clinic.afflux("supervise", "--once", "-o", "json")
    assert healed.returncode == 0, healed.stderr
    assert all(row["well"] for row in json.loads(healed.stdout))
    clinic.drop_slot()
    lost = clinic.afflux("supervise", "--once", "-o", "json")
    assert lost.returncode == 1, lost.stderr
    (row,) = [row for row in json.loads(lost.stdout) if row["shard"] == "shard0"]
    assert (row["cause"], row["doing"], "connectors resync shard0" in row["hint"]) == (
        "slot gone",
        "asking a person",
        True,
    )
    assert clinic.afflux("supervise", "--once", "--resynchronise").returncode == 0
    clinic.supervisor.start()
    clinic.await_well()
    clinic.flows()
    clinic.spoilt = False


def test_while_connect_is_away_it_waits_and_says_so(clinics: Clinics) -> None:
    clinic = clinics()
    clinic.await_well()
    clinic.spoilt = True
    clinic.supervisor.mark()
    for number in range(len(clinic.addresses.connect)):
        clinic.stack.kill(f"connect-{number}")
    clinic.supervisor.await_line("waiting", reason="Kafka Connect")
    ready, reason = clinic.supervisor.ready()
    assert (ready, "Kafka Connect" in reason) == (False, True)
    for number in range(len(clinic.addresses.connect)):
        clinic.stack.start(f"connect-{number}")
    clinic.await_well()
    clinic.flows()
    assert clinic.supervisor.ready() == (True, "")
    clinic.spoilt = False


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A patient on PostgreSQL 18, which leaves out in silence what earlier ones can't decode."""
    stack = Stack(tmp_path_factory.mktemp("newer"))
    try:
        stack.up(shards=1, workers=1, postgres=18)
        patient = Clinic(stack, tmp_path_factory.mktemp("patient"), "newer")
        patient.open()
        yield patient
        patient.close()
    finally:
        stack.down(purge=True)


@pytest.mark.parametrize("failure", NEWER, ids=str)
def test_what_a_newer_server_leaves_out_in_silence_is_read_anew(
    newer: Clinic, failure: Failure, record_property: Callable[[str, object], None]
) -> None:
    record_property("failure", (failure, play(newer, failure)))
    assert newer.supervisor.lines("done")[-1]["action"] == "create connector"
