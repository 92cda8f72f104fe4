from dataclasses import replace

import pytest

from afflux.monitor.guard import decide
from afflux.monitor.slots import ShardReading
from afflux.monitor.watch import Readings
from afflux.topology.guard import Guard, LastResort
from unit.monitor.shards import MB, NOW, idle, reading, slot, wal

ALLOWED = Guard(disk="1GiB", last_resort=LastResort(shards=["shard0"]))


def seen(*shards: ShardReading) -> Readings:
    return Readings(at=NOW, seconds=0.1, shards={reading.shard: reading for reading in shards})


def full(files: int, guard: Guard, rate: float = 0.0) -> ShardReading:
    return reading(idle(wal(files=files)), guard, rate=rate)


def test_nothing_is_ever_dropped_unless_the_topology_allows_it() -> None:
    assert decide(Guard(disk="1GiB"), seen(full(1024 * MB, Guard(disk="1GiB")))) == []


def test_a_slot_goes_when_its_disk_is_nearly_full() -> None:
    (last,) = decide(ALLOWED, seen(full(980 * MB, ALLOWED)))
    assert (last.shard, last.slot, last.retained) == ("shard0", "s", 20 * MB)
    assert last.reason == "96% of the 1GiB for WAL are in use; the slot holds 20.0 MiB of it"


def test_a_slot_goes_when_its_disk_will_be_full_in_minutes() -> None:
    assert decide(ALLOWED, seen(full(624 * MB, ALLOWED, rate=MB)))  # 400 s
    assert not decide(ALLOWED, seen(full(424 * MB, ALLOWED, rate=MB / 2)))  # 20 minutes


def test_another_shard_s_slot_stays() -> None:
    other = replace(full(1020 * MB, ALLOWED), shard="shard1")
    assert decide(ALLOWED, seen(other)) == []
    assert decide(replace_shards(ALLOWED), seen(other))


def replace_shards(guard: Guard) -> Guard:
    return guard.model_copy(update={"last_resort": LastResort(shards="all")})


@pytest.mark.parametrize(
    "spared",
    [
        reading(wal(slot(), files=1020 * MB), ALLOWED, rate=MB, released=2 * MB),
        reading(idle(wal(slot(restart_lsn=120 * MB), files=1020 * MB)), ALLOWED),
        reading(idle(wal(slot(safe_wal_size=0))), Guard()),
        ShardReading(shard="shard0", slot="s", problem="away"),
        ShardReading(shard="shard0", slot="s", wal=replace(wal(), slot=None)),
    ],
    ids=["it drains", "it holds nothing", "the server's own limit saves the shard", "the shard is away", "no slot"],
)
def test_a_slot_stays_where_dropping_it_would_not_help(spared: ShardReading) -> None:
    assert decide(ALLOWED, seen(spared)) == []
