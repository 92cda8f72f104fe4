"""Watermarks for minutes: a connector held back, workers killed, frozen and added, and never a watermark too early."""

import signal
import time
from collections.abc import Iterator
from random import Random

import pytest

from afflux.stack import Stack
from chaos.seed import SEED
from chaos.waiting import wait_for
from estate import estate
from proof import BUSY, SHARDS, Proof

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]

HELD_SECONDS = 150
"""How long a connector is held back."""
TURNS = 12
"""Things that happen to workers."""


@pytest.fixture(scope="module", params=[1, 4], ids=["one partition", "four partitions"])
def proof(request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    folder = tmp_path_factory.mktemp("freshness")
    with estate(stack.addresses(), folder, f"fresh{request.param}", shards=3, partitions=request.param) as home:
        made = Proof(home, folder)
        try:
            made.open()
            yield made
        finally:
            made.close()


def test_no_watermark_is_too_early_while_a_connector_is_held_back_for_minutes(proof: Proof) -> None:
    with proof.load(rest=0.02):
        proof.await_watermarks(time.time())
        paused = proof.pause("shard0")
        proof.await_watermarks(paused + HELD_SECONDS, "shard1", "shard2", patience=HELD_SECONDS + 90)
        assert proof.watermarks()["shard0"] < paused
        proof.go_on("shard0")
    assert proof.broken() == []
    assert proof.broken(ahead=3.0)


def test_no_watermark_is_too_early_whatever_happens_to_workers(proof: Proof) -> None:
    chance = Random(f"{SEED} freshness")
    with proof.load(rest=0.02):
        for _ in range(TURNS):
            worker = chance.choice(proof.workers)
            if chance.random() < 0.5:
                worker.kill()
                worker.start()
            else:
                frozen = proof.freeze(worker)
                lasting = chance.choice((1, 4, 12))  # the session's timeout lies between
                wait_for(lambda until=frozen + lasting: time.time() > until, lasting + 5, "time")  # type: ignore[misc]
                worker.send(signal.SIGCONT)
            proof.await_watermarks(time.time(), *chance.sample(SHARDS, 1))
    assert proof.broken() == []
    moved = {shard: len({sight.watermarks[shard] for sight in proof.observer.sights}) for shard in BUSY}
    assert min(moved.values()) > TURNS
