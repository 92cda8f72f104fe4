"""The proof of watermarks is proved first: what is missing it sees, and nothing else."""

from collections.abc import Mapping

import pytest

from witness import Change, Sight, Witness

ROW = ("shard0", "hot", 1)
LOG = [(ROW, Change(10.0, 1)), (ROW, Change(20.0, 5)), (ROW, Change(30.0, 7, gone=True)), (ROW, Change(40.0, 8))]


def sight(watermark: float | None, version: int | None) -> Sight:
    rows: Mapping[tuple[str, str, int], int] = {} if version is None else {ROW: version}
    return Sight(50.0, {"shard0": watermark, "shard1": 99.0}, rows)


@pytest.mark.parametrize(
    ("watermark", "version", "fine"),
    [
        (None, None, True),
        (10.0, None, True),
        (10.1, 1, True),
        (10.1, 5, True),
        (10.1, None, True),  # a delete came later
        (20.1, 1, False),
        (20.1, 5, True),
        (30.1, 5, False),
        (30.1, None, True),
        (30.1, 8, True),
        (40.1, None, False),
        (40.1, 7, False),
        (40.1, 8, True),
    ],
)
def test_a_change_before_the_watermark_has_to_be_there_or_replaced(
    watermark: float | None, version: int | None, *, fine: bool
) -> None:
    witness = Witness()
    witness.tell(LOG)
    assert (witness.broken(sight(watermark, version)) == []) is fine


def test_a_watermark_that_is_set_forward_is_seen_to_lie() -> None:
    witness = Witness()
    witness.tell(LOG)
    assert witness.broken(sight(25.0, 5)) == []
    assert len(witness.broken(sight(25.0, 5), ahead=6.0)) == 1
