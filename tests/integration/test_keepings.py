"""What tables may keep, on the real parts: each kind of table beside the others in one topology."""

from collections.abc import Iterator
from typing import Any

import pytest

from afflux.stack import Addresses
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack

TABLES: list[dict[str, Any]] = [
    {"source": "$.marked", "deletes": "soft", "lineage": True},
    {"source": "$.changes", "mode": "append"},
    {"source": "$.keyless", "mode": "append"},
    {"source": "$.versions", "mode": "history"},
    {"source": "$.coded", "key": ["tenant", "code"]},
    {"source": "$.countries", "shards": "one"},
    {"source": "$.spelled"},
    {"source": "$.markers"},
]
MAKE = [
    "CREATE TABLE $.marked (id int PRIMARY KEY, note text)",
    "CREATE TABLE $.changes (id int PRIMARY KEY, n int, note text)",
    "CREATE TABLE $.keyless (word text, n int)",
    "CREATE TABLE $.versions (id int PRIMARY KEY, n int, note text)",
    "CREATE TABLE $.coded (tenant int, code text, note text)",
    "CREATE TABLE $.countries (code text PRIMARY KEY, name text)",
    "CREATE TABLE $.spelled (id numeric PRIMARY KEY, note text)",
    "CREATE TABLE $.markers (id int PRIMARY KEY)",
    "ALTER TABLE $.keyless REPLICA IDENTITY FULL",
    "ALTER TABLE $.coded REPLICA IDENTITY FULL",
    *(
        f"ALTER TABLE $.{table} ALTER note SET STORAGE EXTERNAL"
        for table in ("marked", "changes", "versions", "spelled")
    ),
]
LARGE = "repeat(md5('{}'), 200)"
"""A text that is stored out of line, so that an update of other columns leaves it out."""
MD5 = "left(md5(note), 4)"


@pytest.fixture(scope="module")
def home(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with estate(addresses, tmp_path_factory.mktemp("keepings"), "keepings") as made:
        made.tables = [{**table, "source": table["source"].replace("$", made.name)} for table in TABLES]
        made.write()
        made.sql(*MAKE)
        for shard in made.shards:
            made.sql(f"INSERT INTO $.countries VALUES ('de', 'of shard {shard}')", shard=shard)
        made.sql("INSERT INTO $.marked VALUES (1, 'there before')", shard=0)
        made.sql(f"INSERT INTO $.versions VALUES (1, 1, {LARGE.format('a')})", shard=0)
        made.apply()
        made.daemon.start()
        settle(made, 0)
        yield made


def settle(home: Estate, marker: int) -> None:
    """Wait until all that was committed so far is in the target."""
    for shard in home.shards:
        home.sql(f"INSERT INTO $.markers VALUES ({marker * 10 + shard})", shard=shard)
    home.await_equal("markers")
    caught_up(home)


def caught_up(home: Estate) -> None:
    """Wait until the sink stands at the ends of all topics."""

    def found() -> bool:
        home.check()
        return all(place["lag"] == 0 for place in home.ask("positions", "show"))

    wait_for(found, PATIENCE, lambda: f"no lag\n{home.daemon.tail()}", every=0.3)


def test_a_deleted_row_stays_and_says_when(home: Estate) -> None:
    shown = "SELECT id, left(note, 12), _shard, _deleted, _op FROM $.marked ORDER BY id"
    home.sql(
        f"INSERT INTO $.marked VALUES (2, {LARGE.format('b')}), (3, 'goes'), (4, 'moves')",
        "DELETE FROM $.marked WHERE id = 3",
        "UPDATE $.marked SET id = 5 WHERE id = 2",
        shard=0,
    )
    home.sql("INSERT INTO $.marked VALUES (4, 'has moved')", shard=1)
    home.sql("DELETE FROM $.marked WHERE id = 4", shard=0)
    settle(home, 1)
    (large,) = home.sql("SELECT left(note, 12) FROM $.marked WHERE id = 5", shard=0)[0]
    assert home.target(shown) == [
        (1, "there before", "shard0", False, "r"),
        (2, large, "shard0", True, "d"),
        (3, "goes", "shard0", True, "d"),
        (4, "has moved", "shard1", False, "c"),
        (5, large, "shard0", False, "c"),
    ]
    times = (
        "SELECT count(*) FROM $.marked WHERE _deleted AND _deleted_at = _source_ts AND now() - _deleted_at < '1 hour'"
    )
    assert home.target(times) == [(2,)]
    home.sql(
        "INSERT INTO $.marked VALUES (3, 'is back')",
        "TRUNCATE $.marked",
        "INSERT INTO $.marked VALUES (1, 'anew')",
        shard=0,
    )
    settle(home, 2)
    assert home.target(shown) == [
        (1, "anew", "shard0", False, "c"),
        (2, large, "shard0", True, "d"),
        (3, "is back", "shard0", True, "t"),
        (4, "has moved", "shard1", False, "c"),
        (5, large, "shard0", True, "t"),
    ]


def test_every_change_is_kept_once_whoever_goes_back(home: Estate) -> None:
    home.sql(
        f"INSERT INTO $.changes VALUES (1, 1, {LARGE.format('c')}), (2, 1, 'small')",
        "UPDATE $.changes SET n = 2",
        "UPDATE $.changes SET id = 3 WHERE id = 1",
        "DELETE FROM $.changes WHERE id = 2",
        "TRUNCATE $.changes",
        "INSERT INTO $.keyless VALUES ('a', 1), ('a', 1)",
        "UPDATE $.keyless SET n = 2 WHERE ctid = (SELECT min(ctid) FROM $.keyless)",
        "DELETE FROM $.keyless WHERE n = 1",
        shard=0,
    )
    settle(home, 3)
    changes = f"SELECT _op, id, n, {MD5}, _unchanged, _shard FROM $.changes ORDER BY _offset"
    (large,) = home.sql(f"SELECT left(md5({LARGE.format('c')}), 4)")[0]
    (small,) = home.sql("SELECT left(md5('small'), 4)")[0]
    expected = [
        ("c", 1, 1, large, [], "shard0"),
        ("c", 2, 1, small, [], "shard0"),
        ("u", 1, 2, None, ["note"], "shard0"),
        ("u", 2, 2, small, [], "shard0"),
        ("d", 1, None, None, [], "shard0"),
        ("c", 3, 2, None, ["note"], "shard0"),
        ("d", 2, None, None, [], "shard0"),
        ("t", None, None, None, [], "shard0"),
    ]
    keyless = "SELECT _op, word, n FROM $.keyless ORDER BY _offset"
    without_a_key = [("c", "a", 1), ("c", "a", 1), ("u", "a", 2), ("d", "a", 1)]
    assert (home.target(changes), home.target(keyless)) == (expected, without_a_key)
    same_transaction = "SELECT count(DISTINCT _transaction) FROM $.changes WHERE _op = 'c' AND id < 3"
    assert home.target(same_transaction) == [(1,)]
    (before,) = home.target("SELECT clock_timestamp()")[0]
    for table, offset in (("changes", "3"), ("keyless", "start")):
        home.operate("positions", "rewind", "--topic", home.topic(table), "--offset", offset)
    home.daemon.await_line("fenced")
    settle(home, 4)
    assert (home.target(changes), home.target(keyless)) == (expected, without_a_key)
    written = f"SELECT count(*) FILTER (WHERE _synced_at > '{before}'), count(*) FROM $."
    assert (home.target(written + "changes"), home.target(written + "keyless")) == ([(5, 8)], [(4, 4)])


def test_every_version_is_kept_with_its_times_whoever_goes_back(home: Estate) -> None:
    home.sql(
        "UPDATE $.versions SET n = 2 WHERE id = 1",
        "UPDATE $.versions SET id = 2 WHERE id = 1",
        "UPDATE $.versions SET n = 3 WHERE id = 2",
        "INSERT INTO $.versions VALUES (3, 1, 'goes'), (4, 1, 'goes, too')",
        "DELETE FROM $.versions WHERE id = 3",
        "INSERT INTO $.versions VALUES (3, 2, 'is back')",
        "TRUNCATE $.versions",
        "INSERT INTO $.versions VALUES (4, 2, 'stays')",
        shard=0,
    )
    home.sql("INSERT INTO $.versions VALUES (4, 9, 'the other shard''s')", shard=1)
    settle(home, 5)
    told = (
        f"SELECT id, n, {MD5}, _op, _end_op, _current, _valid_to IS NULL, _valid_from <= coalesce(_valid_to, now()) "
        "FROM $.versions ORDER BY _shard, _offset"
    )
    notes = {
        word: home.sql(f"SELECT left(md5('{word}'), 4)")[0][0] for word in ("goes", "goes, too", "is back", "stays")
    }
    (large,) = home.sql(f"SELECT left(md5({LARGE.format('a')}), 4)")[0]
    other = home.sql("SELECT left(md5('the other shard''s'), 4)")[0][0]
    expected = [
        (1, 1, large, "r", "u", False, False, True),
        (1, 2, large, "u", "d", False, False, True),
        (2, 2, large, "c", "u", False, False, True),
        (2, 3, large, "u", "t", False, False, True),
        (3, 1, notes["goes"], "c", "d", False, False, True),
        (4, 1, notes["goes, too"], "c", "t", False, False, True),
        (3, 2, notes["is back"], "c", "t", False, False, True),
        (4, 2, notes["stays"], "c", None, True, True, True),
        (4, 9, other, "c", None, True, True, True),
    ]
    assert home.target(told) == expected
    gapless = (
        "SELECT count(*) FROM $.versions a JOIN $.versions b ON a.id = b.id AND a._shard = b._shard "
        "AND a._end_offset = b._offset AND a._end_topic = b._topic WHERE a._valid_to <> b._valid_from"
    )
    assert home.target(gapless) == [(0,)]
    before = home.target("SELECT id, n, _valid_from, _valid_to FROM $.versions ORDER BY _shard, _offset")
    home.operate("positions", "rewind", "--topic", home.topic("versions"), "--offset", "2")
    home.daemon.await_line("fenced", times=2)
    settle(home, 6)
    assert home.target(told) == expected
    assert home.target("SELECT id, n, _valid_from, _valid_to FROM $.versions ORDER BY _shard, _offset") == before
    as_of = "SELECT id, n FROM $.versions WHERE _shard = 'shard0' AND _valid_from <= now() AND (_valid_to > now() OR _current)"
    assert home.target(as_of) == [(4, 2)]


def test_a_table_without_a_primary_key_is_known_by_the_key_that_is_declared(home: Estate) -> None:
    home.sql(
        "INSERT INTO $.coded VALUES (1, 'a', 'one'), (1, 'b', 'two'), (2, 'a', 'three')",
        "UPDATE $.coded SET note = 'changed' WHERE tenant = 2",
        "UPDATE $.coded SET code = 'c' WHERE code = 'b'",
        "UPDATE $.coded SET code = CASE code WHEN 'a' THEN 'x' ELSE code END, note = 'moved' WHERE tenant = 1 AND code = 'a'",
        "DELETE FROM $.coded WHERE tenant = 2",
        shard=0,
    )
    settle(home, 7)
    rows = home.target("SELECT tenant, code, note FROM $.coded ORDER BY 1, 2")
    assert (
        rows
        == home.sql("SELECT tenant, code, note FROM $.coded ORDER BY 1, 2", shard=0)
        == [
            (1, "c", "two"),
            (1, "x", "moved"),
        ]
    )


def test_a_reference_table_comes_from_the_first_shard(home: Estate) -> None:
    assert home.target("SELECT code, name, _shard FROM $.countries") == [("de", "of shard 0", "shard0")]
    assert home.topic("countries", 1) not in home.kafka.names()
    home.sql("UPDATE $.countries SET name = name || '!'")
    settle(home, 8)
    assert home.target("SELECT name FROM $.countries") == [("of shard 0!",)]


def test_a_key_that_is_written_otherwise_is_the_same_row(home: Estate) -> None:
    home.sql(
        f"INSERT INTO $.spelled VALUES (1.5, {LARGE.format('d')}), (2.0, 'two'), (3, 'three')",
        "UPDATE $.spelled SET id = 1.50 WHERE id = 1.5",
        "DELETE FROM $.spelled WHERE id = 2",
        "INSERT INTO $.spelled VALUES (2.00, 'two again')",
        "UPDATE $.spelled SET id = 3.0, note = 'thrice' WHERE id = 3",
        "DELETE FROM $.spelled WHERE id = 3.000",
        shard=0,
    )
    settle(home, 9)
    told = "SELECT id::text, md5(note) FROM $.spelled ORDER BY id"
    assert home.target(told) == home.sql(told, shard=0)
    assert [row[0] for row in home.target(told)] == ["1.50", "2.00"]
