"""What a failure is, and how it is played: hurt, see it named, see it healed, see that no row is wrong."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from heal.clinic import PATIENCE, Clinic


def _nothing(_clinic: Clinic) -> None:
    """Nobody has to do anything."""


@dataclass(frozen=True)
class Failure:
    """A failure that is brought about in the real part.

    Attributes:
        name: what happens, in a few words.
        hurt: brings it about.
        cause: what the supervisor has to call it.
        person: what a person does about it; nothing where the supervisor heals it alone.
        shard: whose failure it is.
        waits: whether it waits, or tries, before it asks that person.
    """

    name: str
    hurt: Callable[[Clinic], None]
    cause: str
    person: Callable[[Clinic], None] = _nothing
    shard: str = "shard0"
    waits: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Course:
    """How a failure went.

    Attributes:
        found: seconds from the hurt until the supervisor named its cause.
        well: seconds from then until all was well again.
        doing: what the supervisor said that it does.
        deeds: what it did.
    """

    found: float
    well: float
    doing: str
    deeds: tuple[str, ...]


def play(clinic: Clinic, failure: Failure) -> Course:
    """Bring a failure about, and see all of it through.

    Raises:
        AssertionError: it was not named, or not healed, or the target is not equal afterwards.
    """
    clinic.spoilt = True
    clinic.await_well()
    clinic.flows()
    clinic.supervisor.mark()
    begun = time.monotonic()
    failure.hurt(clinic)
    told = clinic.await_cause(failure.cause, failure.shard)
    found = time.monotonic()
    assert told["detail"]
    assert told["hint"]
    assert (told["doing"] == "asking a person") is (failure.person is not _nothing and not failure.waits), told
    failure.person(clinic)
    clinic.await_well(2 * PATIENCE)
    well = time.monotonic()
    clinic.flows()
    clinic.spoilt = False
    deeds = tuple(f"{line['action']} {line['object']}" for line in clinic.supervisor.lines("done"))
    return Course(found - begun, well - found, told["doing"], deeds)
