"""The operator's commands, beside a daemon that runs and on the real parts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from afflux.stack import Addresses
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def home(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """A topology of two shards with a daemon, its first rows in the target."""
    with estate(addresses, tmp_path_factory.mktemp("operator"), "operator") as made:
        made.sinks[0]["dead_letters"] = {"topic": f"{made.name}-shard.told"}
        made.write()
        made.sql("CREATE TABLE $.orders (id int PRIMARY KEY, note text, amount numeric)")
        made.sql("CREATE TABLE $.calm (id int PRIMARY KEY, note text)")
        for shard in made.shards:
            numbers = f"generate_series({shard + 10}, 59, 10) n"
            made.sql(f"INSERT INTO $.orders SELECT n, 'first', n / 2.0 FROM {numbers}", shard=shard)
            made.sql(f"INSERT INTO $.calm SELECT n, 'first' FROM {numbers}", shard=shard)
        made.apply()
        made.daemon.start()
        made.await_equal("orders")
        made.await_equal("calm")
        yield made


def letters(home: Estate, *more: str, count: int) -> list[dict[str, Any]]:
    """Wait until the command lists so many dead letters."""

    def found() -> list[dict[str, Any]]:
        home.check()
        listed: list[dict[str, Any]] = home.ask("dead-letters", "list", *more)
        return listed if len(listed) == count else []

    return wait_for(found, PATIENCE, lambda: f"{count} dead letters\n{home.daemon.tail()}", every=0.3)


def test_bytes_that_are_no_event_are_listed_shown_and_given_up(home: Estate) -> None:
    topic = home.topic("calm")
    offset = home.produce(topic, b"no event at all", b"no key either")
    (letter,) = letters(home, "--table", f"{home.name}.calm", count=1)
    assert (letter["id"], letter["kind"], letter["state"]) == (f"{topic}:0:{offset}", "no schema id", "open")
    assert letter["table"] == f"{home.name}.calm"
    (shown,) = home.ask("dead-letters", "show", letter["id"])
    assert shown["value"] == {
        "bytes": "\\x" + b"no event at all".hex(),
        "problem": "it does not begin with a schema id",
    }
    (told,) = home.read(f"{home.name}-shard.told", 1)
    assert (told.key(), told.value()) == (b"no key either", b"no event at all")
    headers = {name: text.decode() for name, text in told.headers() or ()}
    assert headers["afflux.kind"] == "no schema id"
    assert [headers[f"afflux.{part}"] for part in ("topic", "partition", "offset")] == [topic, "0", str(offset)]
    home.sql("UPDATE $.calm SET note = 'after it'")
    home.await_equal("calm")
    home.operate("dead-letters", "replay", letter["id"], code=1)
    home.operate("dead-letters", "discard", letter["id"], "--yes")
    assert home.ask("dead-letters", "list") == []
    (kept,) = home.ask("dead-letters", "list", "--state", "discarded")
    assert kept["id"] == letter["id"]


def test_refused_values_are_replayed_once_the_target_takes_them(home: Estate) -> None:
    table = f"{home.name}.orders"
    home.target(f"ALTER TABLE {table} ADD CONSTRAINT picky CHECK (note NOT LIKE 'refuse%')")
    home.sql("UPDATE $.orders SET note = 'refuse ' || id WHERE id IN (10, 20, 30, 40)", shard=0)
    letters(home, "--kind", "refused by the target", count=4)
    home.sql("DELETE FROM $.orders WHERE id = 20", "UPDATE $.orders SET note = 'later' WHERE id = 30", shard=0)
    refused = letters(home, "--table", table, count=2)
    assert [letter["key"] for letter in refused] == ["10", "40"]
    (shown,) = home.ask("dead-letters", "show", refused[0]["id"])
    assert shown["key"] == {"id": 10}
    assert shown["value"]["after"]["note"] == "refuse 10"
    assert "picky" in shown["reason"]
    superseded = home.ask("dead-letters", "list", "--state", "superseded")
    assert {letter["key"] for letter in superseded} == {"20", "30"}
    home.operate("dead-letters", "replay", "--key", "10", code=1)
    assert len(home.ask("dead-letters", "list")) == 2
    home.target(f"ALTER TABLE {table} DROP CONSTRAINT picky")
    assert not home.compare("orders").equal
    home.operate("dead-letters", "replay", "--table", table)
    assert home.ask("dead-letters", "list") == []
    home.await_equal("orders")


def test_a_table_that_is_stopped_waits_and_resumed_it_catches_up_and_others_go_on_meanwhile(home: Estate) -> None:
    topic, table = home.topic("orders", 1), f"{home.name}.orders"
    home.operate("tables", "stop", topic, "--reason", "a look at it")
    home.daemon.await_line("table stopped", reason="a look at it")
    home.sql(
        "UPDATE $.orders SET note = 'meanwhile'", "INSERT INTO $.calm VALUES (900 + (SELECT min(id) FROM $.calm), 'x')"
    )
    home.await_equal("calm")
    home.await_target(f"SELECT DISTINCT note FROM {table} WHERE _shard = 'shard0'", [("meanwhile",)])
    assert home.target(f"SELECT count(*) FROM {table} WHERE _shard = 'shard1' AND note = 'meanwhile'") == [(0,)]
    listed = {state["topic"]: state for state in home.ask("tables", "list")}
    assert (listed[topic]["state"], listed[home.topic("orders", 0)]["state"]) == ("stopped", "running")
    assert "a look at it" in listed[topic]["reason"]
    assert listed[topic]["behind"] > 0
    home.operate("tables", "resume", table)
    home.await_equal("orders")


@pytest.mark.parametrize("to", ["offset", "time"])
def test_after_a_rewind_rows_end_equal(home: Estate, to: str) -> None:
    topic = home.topic("orders", 0)
    (before,) = [p for p in home.ask("positions", "show") if p["topic"] == topic]
    now = datetime.now(UTC).isoformat()
    home.sql(
        f"INSERT INTO $.orders VALUES (500, 'comes {to}', 1)",
        f"UPDATE $.orders SET note = 'and {to} changes' WHERE id IN (500, 10)",
        "DELETE FROM $.orders WHERE id = 500",
        shard=0,
    )
    home.await_equal("orders")
    wait_for(lambda: home.ask("positions", "show") and _at_end(home, topic), PATIENCE, "the position at its end")
    given = ["--offset", str(before["next_offset"])] if to == "offset" else ["--time", now]
    home.daemon.mark()
    (moved,) = home.ask("positions", "rewind", "--topic", topic, *given)
    assert moved["now"] < moved["was"]
    home.daemon.await_line("fenced")
    wait_for(lambda: _at_end(home, topic), PATIENCE, lambda: f"the end of {topic}\n{home.daemon.tail()}")
    home.await_equal("orders")
    assert home.ask("dead-letters", "list") == []


def _at_end(home: Estate, topic: str) -> bool:
    home.check()
    return all(p["lag"] == 0 for p in home.ask("positions", "show") if p["topic"] == topic)


def test_a_storm_of_refused_values_goes_through_and_comes_back_by_one_replay(home: Estate) -> None:
    table = f"{home.name}.orders"
    home.target(f"ALTER TABLE {table} ADD CONSTRAINT picky CHECK (amount <> 13)")
    home.sql(
        "INSERT INTO $.orders SELECT n, 'storm', CASE WHEN n % 10 = 0 THEN 13 ELSE 1 END FROM generate_series(10001, 15000) n",
        shard=1,
    )
    letters(home, "--table", table, "--limit", "0", count=500)
    home.await_target(f"SELECT count(*) FROM {table} WHERE note = 'storm'", [(4500,)])
    home.target(f"ALTER TABLE {table} DROP CONSTRAINT picky")
    home.operate("dead-letters", "replay", "--table", table)
    home.await_equal("orders")
