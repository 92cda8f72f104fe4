"""What has become of copies, by notifications as they were seen to come."""

from afflux.clients.notifications import Notice
from afflux.clients.signals import Sent
from afflux.control.seen.scans import INTERRUPTED, Copying, Scan, hear_all

CHUNKS = Sent("s1", "orders.shard0", (r"public\.a", r"public\.b"), at=100)
WHOLE = Sent("s2", "orders.shard0", (r"public\.a",), blocking=True, at=100)


def told(kind: str, *, id: str = "x", by: str = "orders.shard0", at: int = 200, **more: str) -> Notice:  # noqa: A002 - Debezium's word
    chunks = id != "x"
    return Notice(0, by, id, chunks, kind, more.pop("table", ""), more.pop("status", ""), at, more)


def heard(sent: Sent, *notices: Notice) -> Copying:
    copying = Copying(sent)
    hear_all([copying], notices)
    return copying


def resolved(tables: str) -> Notice:
    return told("DATA_COLLECTIONS_RESOLVED", data_collections=tables)


def test_a_copy_in_chunks_tells_how_far_it_is_and_how_each_table_ended() -> None:
    step = told(
        "IN_PROGRESS", id="s1", current_collection_in_progress="public.a", last_processed_key="250", maximum_key="1000"
    )
    copying = heard(CHUNKS, step)
    assert copying.scans == {"public.a": Scan(part=0.25), "public.b": Scan()}
    done = [
        told("TABLE_SCAN_COMPLETED", id="s1", table="public.a", status="SUCCEEDED", total_rows_scanned="7"),
        told("TABLE_SCAN_COMPLETED", id="s1", table="public.b", status="SQL_EXCEPTION", total_rows_scanned="0"),
    ]
    hear_all([copying], done)
    assert copying.scans["public.a"] == Scan("SUCCEEDED", 7, 1.0)
    assert (copying.ended, copying.good) == (True, False)


def test_where_keys_are_no_numbers_chunks_tell_how_far_a_copy_is() -> None:
    step = told(
        "IN_PROGRESS",
        id="s1",
        current_collection_in_progress="public.a",
        last_processed_key="b",
        maximum_key="z",
        chunk_index="1",
        total_chunks="4",
    )
    assert heard(CHUNKS, step).scans["public.a"].part == 0.25


def test_others_copies_are_not_taken_for_one_s_own() -> None:
    ended = {"table": "public.a", "status": "SUCCEEDED"}
    assert not heard(CHUNKS, told("TABLE_SCAN_COMPLETED", id="other", **ended)).scans["public.a"].ended
    assert not heard(CHUNKS, told("TABLE_SCAN_COMPLETED", id="s1", by="other", **ended)).scans["public.a"].ended
    early = [told("DATA_COLLECTIONS_RESOLVED", at=50, data_collections="public.a"), told("COMPLETED", at=50)]
    assert not heard(WHOLE, *early).ended
    another = [resolved("public.z"), told("COMPLETED"), told("SKIPPED")]
    assert not heard(WHOLE, *another).ended


def test_a_blocking_copy_has_ended_when_it_is_told_completed() -> None:
    scan = told("TABLE_SCAN_COMPLETED", table="public.a", status="SUCCEEDED", total_rows_scanned="3")
    copying = heard(WHOLE, told("STARTED"), resolved("public.a"), scan)
    assert not copying.ended
    hear_all([copying], [told("COMPLETED")])
    assert copying.good
    hear_all([copying], [resolved("public.a"), told("SKIPPED")])  # somebody else's, later
    assert copying.good


def test_a_restart_ends_a_blocking_copy_for_good_and_one_in_chunks_goes_on() -> None:
    cut = heard(WHOLE, told("SKIPPED"), told("STARTED"), resolved("public.a"), told("SKIPPED"))
    assert cut.scans["public.a"].status == INTERRUPTED
    assert not heard(CHUNKS, told("STARTED", id="s1"), told("SKIPPED")).ended


def test_a_copy_that_is_told_completed_without_a_table_has_failed_there() -> None:
    assert not heard(CHUNKS, told("COMPLETED", id="s1")).good
    assert heard(CHUNKS, told("COMPLETED", id="s1")).ended


def test_a_signal_that_a_failed_task_took_with_it_is_lost_and_one_that_waits_is_not() -> None:
    lost = heard(CHUNKS, told("SKIPPED", at=1_000))
    lost.give_up(50_000)
    assert not lost.ended
    lost.give_up(70_000)
    assert {scan.status for scan in lost.scans.values()} == {INTERRUPTED}
    waits = heard(CHUNKS)  # its connector is paused, and takes the signal when it goes on
    waits.give_up(10**9)
    assert not waits.ended


def test_a_failed_task_loses_what_it_had_not_begun_or_reads_at_once() -> None:
    begun = heard(CHUNKS, told("STARTED", id="s1"))
    begun.lose()
    assert not begun.ended
    for sent in (CHUNKS, WHOLE):
        lost = heard(sent, told("STARTED"))
        lost.lose()
        assert lost.ended
        assert not lost.good
