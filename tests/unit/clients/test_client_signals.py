import json

import pytest

from afflux.clients.signals import Sent


def test_the_last_note_of_a_connector_counts_and_every_id_is_known() -> None:
    sent = Sent()
    for id_, type_, data in [
        ("orders-a-noted", "log", {"connector": "orders-a", "config": {"x": "1"}}),
        ("orders-a-1", "execute-snapshot", {"data-collections": ["public.t"]}),
        ("orders-b-noted", "log", {"connector": "orders-b", "config": {"x": "2"}}),
        ("orders-a-noted", "log", {"connector": "orders-a", "config": {"x": "3"}}),
    ]:
        sent.add(json.dumps({"id": id_, "type": type_, "data": data}).encode())
    assert sent.ids == {"orders-a-noted", "orders-a-1", "orders-b-noted"}
    assert sent.notes == {"orders-a": {"x": "3"}, "orders-b": {"x": "2"}}


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"id": 1, "type": "log", "data": "a line of somebody\'s"}'])
def test_what_others_wrote_does_no_harm(value: bytes) -> None:
    sent = Sent()
    sent.add(value)
    assert sent.notes == {}
