"""The promises of every sink, and those of lakes, in real object stores."""

import base64
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from afflux.errors import SinkError
from afflux.operate.lake import LakeDesk
from afflux.sinks.delta.sink import DeltaSink
from afflux.sinks.delta.store import Store
from afflux.topology.model import Topology
from afflux.topology.sinks import DeltaSink as Config
from contract.test_lake_alone import (
    test_a_batch_over_two_tables_whose_worker_dies_between_their_commits_is_completed_once as test_dying,
)
from contract.test_lake_alone import (
    test_a_worker_that_wakes_up_after_it_was_replaced_writes_nothing as test_replaced,
)
from contract.test_lake_alone import test_composite_keys_and_odd_names_work_in_a_lake as test_odd_names
from contract.test_lake_alone import test_odd_keys_of_two_tables_in_one_batch_are_settled_apart as test_contested
from contract.test_lake_alone import (
    test_the_state_survives_being_written_anew_also_for_those_who_read_along as test_state,
)
from contract.test_lake_alone import (
    test_two_workers_write_one_table_side_by_side_and_no_row_is_lost as test_side_by_side,
)
from contract.test_sink_state import test_a_dead_letter_is_written_with_its_batch_whole as test_letters
from contract.test_sink_state import test_a_rewind_fences_the_worker_and_the_next_claim_begins_there as test_rewind
from contract.test_sinks import test_a_moved_row_survives_in_whatever_order_its_shards_events_come as test_moved
from contract.test_sinks import test_a_new_column_appears_and_old_rows_have_no_value_in_it as test_new_column
from contract.test_sinks import (
    test_a_partition_never_seen_stands_at_0_and_a_restart_goes_on_where_the_target_stands as test_restart,
)
from contract.test_sinks import test_a_replaced_worker_can_not_write as test_fence
from contract.test_sinks import test_a_replayed_batch_changes_nothing as test_replay
from contract.test_sinks import test_a_truncate_takes_its_shards_older_rows_and_no_others as test_truncate
from contract.test_sinks import test_an_unchanged_value_is_left_as_it_was as test_unchanged
from stores.conftest import BucketTarget
from stores.served import BUCKET, Served
from targets import ZERO, batch, changes, content

TRIED = (
    *(test_dying, test_replaced, test_odd_names, test_contested, test_state, test_side_by_side, test_letters),
    *(test_rewind, test_moved, test_new_column, test_restart, test_fence, test_replay, test_truncate, test_unchanged),
)


def test_its_files_are_put_in_order_by_command(lake: BucketTarget) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    for n in range(6):
        sink.apply(batch(n, changes(lake, [("shard0", n, False, n, "x")])))
    shard = {"name": "shard0", "host": "h"}
    topology = Topology.model_validate(
        {
            "name": lake.schema,
            "kafka": {"bootstrap_servers": "k:9092"},
            "registry": {"url": "http://r"},
            "connect": {"url": "http://c"},
            "source": {"database": "d", "user": "u", "password": "${env:P}", "shards": [shard]},
            "tables": [{"source": "public.t"}],
            "sinks": [lake.config.model_dump()],
        }
    )
    desk = LakeDesk(topology, topology.sinks[0])
    desk._ledger.place = f"_afflux/{lake.schema}/g"  # the group of the tests
    (before,) = desk.status()
    assert before.files == 6
    assert list(desk.optimize()) == [f"{lake.schema}.t: 6 file(s) into 1"]
    assert dict(desk.vacuum()) == {f"{lake.schema}.t": []}, "what was replaced just now stays for its readers"
    assert content(lake, "id") == [(n,) for n in range(6)]


def opening(path: str, options: dict[str, str]) -> SinkError:
    """Open a sink, and give what it says."""
    config = Config(name="lake", type="delta", path=path)
    with pytest.raises(SinkError, match="could not open") as refused:
        DeltaSink(config=config, store=Store(path, options | {"max_retries": "1"}), topology="x", group="g").open()
    return refused.value


def test_a_wrong_secret_is_said_without_it_and_not_waited_for(served: Served) -> None:
    wrong = base64.b64encode(b"hunter2" * 9).decode()
    refused = opening(f"{served.path}/x", served.options() | {served.secret_option: wrong})
    assert not refused.transient
    assert wrong[:20] not in f"{refused} {refused.hint}"


def test_a_bucket_that_is_not_there_is_said_and_not_waited_for(served: Served) -> None:
    assert not opening(served.path.replace(BUCKET, "nobodys"), served.options()).transient


def test_a_server_that_does_not_answer_is_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in served.environment(1).items():
        monkeypatch.setenv(name, value)
    assert opening(f"{served.path}/x", served.options(1)).transient


def test_of_several_who_commit_at_once_one_wins_and_no_other_writes(lake: BucketTarget) -> None:
    uri, options = lake.store.uri("race"), lake.store.options
    DeltaTable.create(uri, pa.schema([pa.field("id", pa.int64())]), storage_options=options)
    start, once = Barrier(4), CommitProperties(max_commit_retries=0)
    won: list[int] = []

    def commit(number: int) -> bool:
        table = DeltaTable(uri, storage_options=options)
        start.wait(60)
        try:
            write_deltalake(table, pa.table({"id": [number]}), mode="append", commit_properties=once)
        except CommitFailedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        for n in range(10):
            numbers = range(4 * n, 4 * n + 4)
            winners = [number for number, has_won in zip(numbers, pool.map(commit, numbers), strict=True) if has_won]
            assert len(winners) == 1
            won += winners
    table = DeltaTable(uri, storage_options=options)
    assert table.version() == len(won)
    assert sorted(lake.store.scan(table).collect()["id"].to_list()) == won
