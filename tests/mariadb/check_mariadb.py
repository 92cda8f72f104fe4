"""The promises of every sink, and exact values, on MariaDB."""

from typing import Any

import pytest

from afflux.errors import RefusedError
from afflux.sinks.base import TableName, TargetColumn
from afflux.types.postgres import PgType, pg_type
from contract.test_resyncs import *  # noqa: F403 - all of them, on this target
from contract.test_shards import *  # noqa: F403 - likewise
from contract.test_sink_state import *  # noqa: F403 - likewise
from contract.test_sinks import (
    test_a_batch_with_one_lost_partition_writes_nothing_of_the_others as test_lost,
)
from contract.test_sinks import test_a_key_of_two_shards_in_one_batch_is_one_row as test_two_shards
from contract.test_sinks import test_a_moved_row_survives_in_whatever_order_its_shards_events_come as test_moved
from contract.test_sinks import test_a_new_column_appears_and_old_rows_have_no_value_in_it as test_new_column
from contract.test_sinks import (
    test_a_partition_never_seen_stands_at_0_and_a_restart_goes_on_where_the_target_stands as test_restart,
)
from contract.test_sinks import test_a_replaced_worker_can_not_write as test_fence
from contract.test_sinks import test_a_replayed_batch_changes_nothing as test_replay
from contract.test_sinks import (
    test_a_row_hidden_by_another_shards_lives_on_and_comes_back_when_that_one_goes as test_hidden,
)
from contract.test_sinks import test_a_shards_delete_does_not_take_another_shards_row as test_foreign_delete
from contract.test_sinks import test_a_truncate_takes_its_shards_older_rows_and_no_others as test_truncate
from contract.test_sinks import test_an_unchanged_value_is_left_as_it_was as test_unchanged
from contract.test_sinks import test_positions_move_without_rows as test_positions
from contract.test_sinks import test_rows_are_inserted_replaced_and_deleted as test_rows
from contract.test_watermarks import *  # noqa: F403 - likewise
from targets import ID, ZERO, Target, batch, changes
from unit.sinks.test_dialects import VALUES

TRIED = (
    *(test_lost, test_two_shards, test_moved, test_new_column, test_restart, test_fence, test_replay, test_hidden),
    *(test_foreign_delete, test_truncate, test_unchanged, test_positions, test_rows),
)


@pytest.mark.parametrize("rows", [1, 600])
@pytest.mark.parametrize(("of", "value", "held"), VALUES, ids=[f"{of}-{n}" for n, (of, *_) in enumerate(VALUES)])
def test_a_value_is_held_exactly_however_it_is_loaded(
    target: Target, of: PgType, value: Any, held: Any, rows: int
) -> None:
    sink, columns = target.sink(), (ID, TargetColumn("v", of))
    sink.claim([ZERO])
    said = [("s", 1, False, n, value if n % 2 else None) for n in range(rows + 1)]
    sink.apply(batch(0, changes(target, said, columns)))
    found = {row["v"] for row in target.rows(TableName(target.schema, "t"))}
    assert found == {held if not isinstance(held, list) else value, None}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_mariadb_has_not_is_refused_aloud(target: Target, value: float) -> None:
    sink, columns = target.sink(), (ID, TargetColumn("v", pg_type("FLOAT8")))
    sink.claim([ZERO])
    with pytest.raises(RefusedError, match="no exact place"):
        sink.apply(batch(0, changes(target, [("s", 1, False, 1, value)], columns)))
