"""Every failure in the real part, under a supervisor: named by its cause, healed or explained, and no row wrong after it.

Run it by `make heal`; ONLY=<words> plays those whose names hold them.
"""

import os
import re
from collections.abc import Callable, Iterator

import pytest

from afflux.stack import Stack
from heal.catalogue import FAILURES
from heal.clinic import Clinic
from heal.failure import play

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def clinic(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    patient = Clinic(stack, tmp_path_factory.mktemp("heal"), f"heal{os.getpid()}")
    try:
        patient.open()
        yield patient
    finally:
        patient.close()


@pytest.mark.parametrize("name", [pytest.param(name, id=re.sub(r"[^a-z0-9]+", "-", name.lower())) for name in FAILURES])
def test_a_failure_is_named_and_overcome(
    clinic: Clinic, name: str, record_property: Callable[[str, object], None]
) -> None:
    failure = FAILURES[name]
    record_property("failure", (failure, play(clinic, failure)))
