"""The judge is judged: whatever is wrong in the target, it is found, and nothing else is."""

from collections.abc import Iterator

import psycopg
import pytest

from afflux.errors import SinkError, SourceError
from afflux.sinks.batch import TableName
from afflux.verify import Comparison, compare

pytestmark = pytest.mark.stack

SOURCE, TARGET = TableName("pg_temp", "orders"), TableName("verify", "orders")
COLUMNS = """id bigint, kind text, amount numeric, share float8, at timestamptz, span interval, code bytea,
  doc jsonb, tags text[], flag boolean, day date, word varchar(9), fixed character(4)"""
META = "_shard text, _lsn bigint, _source_ts timestamptz, _synced_at timestamptz"
EDGES = """
  (1, 'plain', 1.50, 0.1, '2024-02-29 12:34:56.789012+02', '1 mon 2 days', '\\x00ff', '{"a": [1, null]}', '{a,NULL,"b,c"}', true, '2024-02-29', 'w', 'f'),
  (2, '', 'NaN', 'Infinity', 'infinity', '-00:00:01', '', '"x"', '{}', false, '0044-03-15 BC', '', ''),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 'NULL', 1e30, -0.0, '0001-01-01 00:00:00+00 BC', '1 year', NULL, 'null', '{{1},{2}}', NULL, 'infinity', 'ä€\n"', '  ')"""


@pytest.fixture
def shards(warehouse_url: str) -> Iterator[dict[str, psycopg.Connection]]:
    """Three sessions, each with a table `orders` of its own."""
    connections = {f"shard{n}": psycopg.connect(warehouse_url, autocommit=True) for n in range(3)}
    for number, connection in enumerate(connections.values()):
        connection.execute(f"CREATE TEMPORARY TABLE orders ({COLUMNS}, PRIMARY KEY (id))")
        connection.execute(f"INSERT INTO orders VALUES {EDGES}")
        connection.execute("UPDATE orders SET id = id + %s", [number * 100])
    connections["shard1"].execute("SET timezone = 'Asia/Kolkata'; SET datestyle = 'German'; SET extra_float_digits = 0")
    yield connections
    for connection in connections.values():
        connection.close()


@pytest.fixture
def target(warehouse_url: str, shards: dict[str, psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """The same rows as they arrive there, in another order of columns."""
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS verify CASCADE; CREATE SCHEMA verify")
        connection.execute(f"CREATE TABLE {TARGET} (_extra text, {META}, {COLUMNS}, PRIMARY KEY (id))")
        for shard, source in shards.items():
            with source.cursor().copy("COPY orders TO STDOUT (FORMAT binary)") as rows:
                names = [column.split()[0] for column in COLUMNS.split(",")]
                with connection.cursor().copy(f"COPY {TARGET} ({', '.join(names)}) FROM STDIN (FORMAT binary)") as into:
                    for row in rows:
                        into.write(row)
            connection.execute(f"UPDATE {TARGET} SET _shard = %s WHERE _shard IS NULL", [shard])
        yield connection


def found(shards: dict[str, psycopg.Connection], target: psycopg.Connection) -> Comparison:
    return compare(shards, target, SOURCE, into=TARGET)


def test_the_same_rows_are_equal_whatever_the_sessions_settings_are(
    shards: dict[str, psycopg.Connection], target: psycopg.Connection
) -> None:
    result = found(shards, target)
    assert result.equal, result.lines()
    assert (result.source_rows, result.target_rows) == (12, 12)
    assert shards["shard1"].execute("SHOW datestyle").fetchone() == ("German, DMY",)


def test_a_row_that_the_target_lacks_is_missing(
    shards: dict[str, psycopg.Connection], target: psycopg.Connection
) -> None:
    target.execute(f"DELETE FROM {TARGET} WHERE id = 102")
    result = found(shards, target)
    assert result.lines()[1:] == ["  missing    shard1  id=102"]
    assert (result.missing, result.extra, result.different, result.equal) == (1, 0, 0, False)


def test_a_row_that_no_shard_has_is_extra(shards: dict[str, psycopg.Connection], target: psycopg.Connection) -> None:
    target.execute(f"INSERT INTO {TARGET} (id, _shard) VALUES (999, 'shard2')")
    assert found(shards, target).lines()[1:] == ["  extra      shard2  id=999"]


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'plain '", "kind = NULL", "amount = 1.5", "share = 0.1::float8 + 1e-17::float8 * 4", "at = at + '1 microsecond'",
        "span = '32 days'", "code = '\\x00fe'", "doc = '{\"a\": [1]}'", "tags = '{a,\"NULL\",\"b,c\"}'", "flag = NULL",
        "day = day + 1", "word = ''", "fixed = NULL",
    ],
)  # fmt: skip
def test_a_row_with_any_other_value_is_different(
    shards: dict[str, psycopg.Connection], target: psycopg.Connection, change: str
) -> None:
    target.execute(f"UPDATE {TARGET} SET {change} WHERE id = 1")
    result = found(shards, target)
    assert result.lines()[1:] == ["  different  shard0  id=1"]
    assert (result.missing, result.extra, result.different, result.equal) == (0, 0, 1, False)


def test_empty_and_null_are_told_apart(shards: dict[str, psycopg.Connection], target: psycopg.Connection) -> None:
    target.execute(f"UPDATE {TARGET} SET kind = NULL WHERE id = 2")
    target.execute(f"UPDATE {TARGET} SET kind = '' WHERE id = 3")
    assert found(shards, target).different == 2


def test_a_row_under_another_shards_name_is_misplaced(
    shards: dict[str, psycopg.Connection], target: psycopg.Connection
) -> None:
    target.execute(f"UPDATE {TARGET} SET _shard = 'shard7' WHERE id = 202")
    result = found(shards, target)
    assert result.lines()[1:] == ["  misplaced  shard2  id=202, in the target under shard7"]
    assert not result.equal


def test_a_column_that_the_target_lacks_is_a_difference_where_it_holds_a_value(
    shards: dict[str, psycopg.Connection], target: psycopg.Connection
) -> None:
    target.execute(f"ALTER TABLE {TARGET} DROP COLUMN kind")
    assert found(shards, target).different == 9  # one row in four has NULL there


def test_a_table_that_the_target_lacks_has_no_rows(
    shards: dict[str, psycopg.Connection], target: psycopg.Connection
) -> None:
    target.execute(f"DROP TABLE {TARGET}")
    result = found(shards, target)
    assert (result.target_rows, result.missing) == (0, 12)


def test_a_table_that_a_shard_lacks_is_an_error_that_names_both(
    shards: dict[str, psycopg.Connection], target: psycopg.Connection
) -> None:
    shards["shard2"].execute("DROP TABLE orders")
    with pytest.raises(SourceError, match=r"shard shard2: there is no table pg_temp\.orders"):
        found(shards, target)


def test_a_target_that_can_not_be_read_is_the_targets_fault(
    shards: dict[str, psycopg.Connection], target: psycopg.Connection
) -> None:
    target.execute(f"ALTER TABLE {TARGET} DROP COLUMN _shard")
    with pytest.raises(SinkError, match=r"the target: table verify\.orders can't be compared: column \"_shard\""):
        found(shards, target)


def test_nothing_is_left_open_on_any_server(shards: dict[str, psycopg.Connection], target: psycopg.Connection) -> None:
    found(shards, target)
    for connection in (*shards.values(), target):
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
