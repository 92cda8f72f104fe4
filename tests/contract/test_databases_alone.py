"""Whatever happened on the shards: embedded databases end equal, and keep what tables of every mode are to keep."""

from pathlib import Path

import pytest

from contract.test_histories import (
    test_a_lake_is_equal_to_the_shards as test_a_database_is_equal_to_the_shards,
)
from contract.test_histories import (
    test_a_lake_is_equal_to_the_shards_in_any_order_between_partitions as test_any_order,
)
from contract.test_lake_alone import (
    test_a_lake_is_cut_back_before_it_is_read_again as test_a_database_is_cut_back,
)
from contract.test_lake_alone import test_a_lake_keeps_deleted_rows as test_a_database_keeps_deleted_rows
from contract.test_lake_alone import test_a_lake_keeps_every_change as test_a_database_keeps_every_change
from contract.test_lake_alone import test_a_lake_keeps_every_version as test_a_database_keeps_every_version
from targets import DatabaseTarget

TRIED = (
    *(test_a_database_is_equal_to_the_shards, test_any_order, test_a_database_keeps_deleted_rows),
    *(test_a_database_keeps_every_change, test_a_database_keeps_every_version, test_a_database_is_cut_back),
)


@pytest.fixture(params=["duckdb", "sqlite"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseTarget:
    """What the histories are played into."""
    return DatabaseTarget(f"{request.param}:///{tmp_path}/warehouse.db")
