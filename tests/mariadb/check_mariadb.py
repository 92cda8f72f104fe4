"""The promises of every sink, and exact values, on MariaDB."""

import math
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa

from afflux.errors import RefusedError
from afflux.sinks.base import TableName, TargetColumn
from afflux.types.postgres import PgType, pg_type
from contract.test_databases_alone import (
    test_a_database_is_cut_back,
    test_a_database_is_equal_to_the_shards,
    test_a_database_keeps_deleted_rows,
    test_a_database_keeps_every_change,
    test_a_database_keeps_every_version,
    test_any_order,
)
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
    *(test_a_database_is_equal_to_the_shards, test_any_order, test_a_database_keeps_deleted_rows),
    *(test_a_database_keeps_every_change, test_a_database_keeps_every_version, test_a_database_is_cut_back),
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


@pytest.mark.parametrize("rows", [1, 600])
def test_no_sign_of_nought_is_all_that_a_double_loses(target: Target, rows: int) -> None:
    sink, columns = target.sink(), (ID, TargetColumn("v", pg_type("FLOAT8")))
    sink.claim([ZERO])
    values = [-0.0, 0.1, -5e-324, 1.7976931348623157e308, 2.0**53 + 2]
    sink.apply(batch(0, changes(target, [("s", 1, False, n, values[n % 5]) for n in range(5 * rows)], columns)))
    found = {row["v"] for row in target.rows(TableName(target.schema, "t"))}
    assert found == set(values)
    assert [math.copysign(1, v) for v in found if v == 0] == [1]


def test_a_server_that_takes_no_files_is_written_by_statements(target: Target, server: str) -> None:
    sink, where = target.sink(), sa.make_url(server)
    sink.claim([ZERO])
    rows = [("s", 1, False, n, f"row {n}") for n in range(600)]
    with pymysql.connect(host=where.host, port=where.port or 0, user="root") as root, root.cursor() as cursor:
        cursor.execute("SET GLOBAL local_infile = 0")
        try:
            sink.apply(batch(0, changes(target, rows)))
        finally:
            cursor.execute("SET GLOBAL local_infile = 1")
    assert [row["note"] for row in target.rows(TableName(target.schema, "t"))] == [note for *_, note in rows]
