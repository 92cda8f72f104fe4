"""Masked columns on the real parts: no clear value is anywhere in the warehouse, nor in a log."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from afflux.stack import Addresses
from afflux.transforms.masks import Mask
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack

SECRET = "in-clear-4111-1111"
LARGE = SECRET * 1_000
MASKS = {"email": {"mask": "hash"}, "card": {"mask": "partial"}, "note": {"mask": "remove"}, "big": {"mask": "hash"}}


@pytest.fixture
def place(addresses: Addresses, tmp_path: Path) -> Iterator[Estate]:
    with estate(addresses, tmp_path, "masking", shards=1) as made:
        (tmp_path / "masks.properties").write_text("key=a key\n")
        made.tables = [{"source": rf"{made.name}\..*", "columns": MASKS}]
        made.write()
        key = f"${{file:{tmp_path / 'masks.properties'}:key}}"
        made.path.write_text(f"{made.path.read_text()}masking: {json.dumps({'key': key})}\n")
        made.sql(
            "create table $.people (id int primary key, seen int, email text, card text, note text, big text)",
            "alter table $.people alter big set storage external",
        )
        yield made


def clear(place: Estate) -> list[str]:
    """Give the tables of the warehouse, afflux's own among them, that hold the clear value anywhere."""
    with psycopg.connect(place.addresses.warehouse_url, autocommit=True) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('afflux', %s)", [place.name]
        ).fetchall()
        holds = sql.SQL("select count(*) from {} as t where t::text like %s or t::text like %s")
        likes = [f"%{SECRET}%", f"%{SECRET.encode().hex()}%"]
        return [
            table
            for schema, table in tables
            if connection.execute(holds.format(sql.Identifier(schema, table)), likes).fetchone() != (0,)
        ]


def test_no_clear_value_comes_to_the_warehouse_or_a_log_and_verify_agrees(place: Estate) -> None:
    place.sql(
        f"insert into $.people values (1, 0, '{SECRET}', '{SECRET}', '{SECRET}', '{LARGE}')",
        "insert into $.people values (2, 0, null, null, null, null)",
    )
    place.apply()
    place.daemon.start()
    place.await_target("select to_regclass('$.people') is not null", [(True,)])
    hashed, large = (Mask("hash", key=b"a key").text(text) for text in (SECRET, LARGE))
    rows = [(1, 0, hashed, "*" * (len(SECRET) - 4) + SECRET[-4:], None, large), (2, 0, None, None, None, None)]
    place.await_target("select id, seen, email, card, note, big from $.people order by id", rows)
    place.sql("update $.people set seen = 1 where id = 1")  # the large value is unchanged, and not in the event
    rows[0] = (1, 1, *rows[0][2:])
    place.await_target("select id, seen, email, card, note, big from $.people order by id", rows)
    event = place.read(place.topic("people"), 1)[0]
    place.produce(place.topic("people"), (event.value() or b"")[:-3], event.key())
    wait_for(lambda: len(place.ask("dead-letters", "list")) == 1, PATIENCE, "a dead letter")
    (letter,) = place.ask("dead-letters", "list")
    (shown,) = place.ask("dead-letters", "show", letter["id"])
    assert shown["in_kafka_until"] not in {"", "no more"}
    assert SECRET not in json.dumps(shown)
    assert place.operate("verify", "--wait", "60", code=None)
    assert clear(place) == []
    assert SECRET not in place.daemon.log.read_text()
