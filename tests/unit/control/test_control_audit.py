from typing import Any

from afflux.control.done.audit import records
from afflux.control.healing.memory import Memory, entry, load

BEGUN = {
    "id": "a", "at": "2026-01-02T03:04:05.000+00:00", "by": "me@here:1", "state": "begun", "action": "restart connector",
    "object": "connector c", "shard": "shard0", "cause": "failed", "why": "it broke",
    "changes": [{"key": "k", "old": "1", "new": None}],
}  # fmt: skip


def ended(error: str = "") -> dict[str, Any]:
    return {"id": "a", "at": "2026-01-02T03:04:06.000+00:00", "by": "me@here:1", "state": "ended", "error": error}


def test_a_deed_is_told_before_and_after() -> None:
    (record,) = records([BEGUN, ended()])
    assert (record.result, record.by, record.deed.cause, record.deed.changes[0].old) == (
        "done",
        "me@here:1",
        "failed",
        "1",
    )
    (record,) = records([BEGUN, ended("refused")])
    assert (record.result, record.error) == ("failed", "refused")


def test_a_deed_whose_end_nobody_tells_was_cut_off() -> None:
    (record,) = records([BEGUN])
    assert (record.result, record.ended) == ("cut off", None)


def test_what_others_write_there_is_left_out() -> None:
    others = [{"hello": 1}, {"state": "begun"}, {**BEGUN, "at": "yesterday"}, ended(), entry("shard0", Memory("1", 5))]
    assert records(others) == []


def test_what_is_known_of_a_shard_is_what_was_told_last() -> None:
    told = [
        entry("shard0", Memory("1", 5)),
        BEGUN,
        entry("shard0", Memory("1", 5, "read by another")),
        entry("b", Memory()),
    ]
    assert load(told) == {"shard0": Memory("1", 5, "read by another"), "b": Memory()}
