import json

import pytest

from afflux.clients.signals import Ledger, Sent


def ledger(*records: tuple[str, str, object]) -> Ledger:
    found = Ledger()
    for at, (id_, type_, data) in enumerate(records):
        found.add(b"shard0", json.dumps({"id": id_, "type": type_, "data": data}).encode(), at)
    return found


def test_the_last_note_of_a_connector_counts() -> None:
    found = ledger(
        ("orders-a-noted", "log", {"connector": "orders-a", "config": {"x": "1"}}),
        ("orders-b-noted", "log", {"connector": "orders-b", "config": {"x": "2"}}),
        ("orders-a-noted", "log", {"connector": "orders-a", "config": {"x": "3"}}),
    )
    assert found.notes == {"orders-a": {"x": "3"}, "orders-b": {"x": "2"}}
    assert not found.signals


def test_every_copy_that_was_asked_for_is_known_and_whether_it_has_ended() -> None:
    found = ledger(
        ("s1", "execute-snapshot", {"data-collections": [r"public\.t"], "type": "INCREMENTAL"}),
        ("s2", "execute-snapshot", {"data-collections": [r"public\.t", r"public\.u"], "type": "BLOCKING"}),
        ("s1", "copy ended", None),
        ("never sent", "copy ended", None),
    )
    assert found.signals == {
        "s1": Sent("s1", "shard0", (r"public\.t",), blocking=False, at=0, ended=True),
        "s2": Sent("s2", "shard0", (r"public\.t", r"public\.u"), blocking=True, at=1),
    }


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"id": 1, "type": "log", "data": "a line of somebody\'s"}'])
def test_what_others_wrote_does_no_harm(value: bytes) -> None:
    found = Ledger()
    found.add(b"", value, 0)
    assert found == Ledger()
