import math

import pytest
import yaml

from afflux.errors import TopologyError
from afflux.topology.guard import Guard, LastResort
from afflux.topology.load import loads
from afflux.topology.part import seconds, size_bytes
from unit.topology.topologies import small


def guarded(**guard: object) -> str:
    data = small()
    data["source"]["guard"] = guard
    return yaml.safe_dump(data)


def test_no_slot_is_dropped_unless_the_topology_says_so() -> None:
    assert loads(guarded()).source.guard == Guard()
    assert Guard().last_resort is None


def test_the_last_resort_is_for_the_named_shards_alone() -> None:
    assert LastResort(shards="all").covers("shard7")
    assert LastResort(shards=["shard1"]).covers("shard1")
    assert not LastResort(shards=["shard1"]).covers("shard10")


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        ({"page": {"within": "13h"}}, r"source.guard.page.within 13h comes before warn's 12h"),
        ({"warn": {"used": 90}}, r"source.guard.page.used 80 comes before warn's 90"),
        ({"last_resort": {"shards": "all"}}, r"source.guard.last_resort saves a disk, and source.guard.disk does not"),
        ({"disk": "1GiB", "last_resort": {"shards": "all", "used": 10}}, r"last_resort.used 10 comes before page's 80"),
        ({"disk": "1GiB", "last_resort": {"shards": ["shard9"]}}, r"there is no shard 'shard9'"),
        ({"last_resort": {}}, r"key 'shards' is missing in source.guard.last_resort"),
        ({"disk": "100GB"}, r"source.guard.disk must be a size such as 512MiB"),
        ({"warn": {"within": "forever"}}, r"source.guard.warn.within must be a time such as 7d"),
        ({"page": {"used": 101}}, r"source.guard.page.used must be at most 100"),
        ({"lastresort": {}}, r"did you mean 'last_resort'"),
    ],
)
def test_a_guard_that_can_not_be_meant_is_refused(guard: dict[str, object], said: str) -> None:
    with pytest.raises(TopologyError, match=said):
        loads(guarded(**guard))


def test_a_webhook_keeps_no_secret_in_clear() -> None:
    data = small()
    data["monitor"] = {"alerts": {"webhooks": [{"url": "http://h/x", "headers": {"X-Api-Token": "abc"}}]}}
    with pytest.raises(TopologyError, match="X-Api-Token is a secret written in clear"):
        loads(yaml.safe_dump(data))


def test_sizes_and_times_are_what_they_say() -> None:
    assert [size_bytes(size) for size in ("1MiB", "2GiB", "3TiB")] == [2**20, 2**31, 3 * 2**40]
    assert [seconds(time) for time in ("45s", "30m", "12h", "7d", "forever")] == [45, 1800, 43200, 604800, math.inf]
