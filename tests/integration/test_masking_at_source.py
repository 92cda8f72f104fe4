"""Masks at the source, on the real parts: the clear value is in no topic, and what is there is what the sink would make."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests
from confluent_kafka import Consumer, TopicPartition
from psycopg import sql

from afflux.clients.topics import Topics
from afflux.control.wanted.masks import MASKING
from afflux.stack import Addresses
from afflux.topology.secrets import resolve
from afflux.transforms.masks import Mask
from afflux.types.wire import UNCHANGED
from capture import PLUGIN, Event, capture
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack

MASKS = {
    "text": "hash",
    "varchar(2000)": "partial:4",
    "uuid": "hash",
    "int2": "hash",
    "int4": "partial:2",
    "int8": "hash",
}
HOSTILE = "${env:HOME} = \u00e9:\u202e' \"x\\"
REMOVED = ["numeric", "jsonb", "bytea", "timestamptz", "int[]", "text"]
TEXTS = [
    "",
    "a",
    "1234",
    "4111111111111234",
    "ÄÖÜ\u00e9 \\ '%s' \n\t {}",
    "\U0001f511" * 9,
    "e\u0301\u200d\u202e",
    "x" * 1500,
]


def _drawn() -> Iterator[str]:
    drawn = random.Random(7)
    for _ in range(40):
        points = [drawn.choice([drawn.randrange(1, 0x800), drawn.randrange(0xE000, 0x110000)]) for _ in range(12)]
        yield "".join(map(chr, points))


def _as(written: str, key: bytes) -> Mask:
    kind, _, keep = written.partition(":")
    return Mask(kind, int(keep or 4), key)


def test_every_value_gets_the_mask_that_the_sink_would_make_however_it_comes(addresses: Addresses) -> None:
    secret = f"${{file:{addresses.secrets}:warehouse_password}}"
    key = resolve(secret).encode()
    columns = [*MASKS, *REMOVED]
    masks = {f"afflux.masks.public.t.c{n}": MASKS.get(kind, "") for n, kind in enumerate(MASKS)}
    masks |= {f"afflux.masks.public.t.c{n}": "remove" for n in range(len(MASKS), len(columns))}
    masks |= {
        "afflux.masks.public.keyed.mail": "hash",
        "afflux.masks.public.odd.v": "hash",
        f"afflux.masks.public.odd.{HOSTILE}": "hash",
    }
    with capture(addresses, "masks_at_source") as connector, psycopg.connect(connector.url, autocommit=True) as source:
        named = ", ".join(
            f"c{n} {kind} {'not null default 7' if kind == 'int2' else ''}" for n, kind in enumerate(columns)
        )
        source.execute(
            f"create table t (id int primary key, n int, {named}); alter table t replica identity full".encode()
        )
        source.execute("create table keyed (mail text primary key, n int)")
        source.execute(f"create table odd (id int primary key, v jsonb, {sql.Identifier(HOSTILE).as_string()} text)")
        texts = [*TEXTS, *_drawn()]
        numbers = [0, -1, 7, 32767, -32768, 12]
        for row, text in enumerate(texts):
            number = numbers[row % len(numbers)]
            given = [text, text, f"00000000-0000-4000-8000-{row:012}", number, number * 3, number * 10**12]
            values = [*given, "1.5", '{"a": 1}', text.encode(), "2026-01-01", [row], text]
            holes = ", ".join(["%s"] * len(values))
            source.execute(f"insert into t values ({row}, 0, {holes})".encode(), values)
        source.execute("insert into t (id) values (-1)")
        source.execute("insert into keyed values ('in clear', 1)")
        source.execute("""insert into odd values (1, '{"in": "clear"}', 'in clear')""")
        connector.start(**PLUGIN | MASKING | masks | {"afflux.masking.secret": secret})
        count = len(texts) + 1
        connector.events("t", count)
        source.execute("update t set n = 1")
        connector.events("t", 2 * count)
        connector.snapshot("public.t")
        events = connector.events("t", 3 * count)
        rows = {
            row[0]: row[1:]
            for row in source.execute(
                f"select id, {', '.join(f'c{n}::text' for n in range(len(MASKS)))} from t".encode()
            )
        }
        assert {event.mode for event in events} == {"snapshot", "stream", "incremental"}
        for event in events:
            assert event.value is not None
            for image in filter(None, (event.value["before"], event.value["after"])):
                for number, written in enumerate(MASKS.values()):
                    assert image[f"c{number}"] == _as(written, key).text(rows[image["id"]][number])
                assert {image[f"c{number}"] for number in range(len(MASKS), len(columns))} == {None}
        (keyed,) = connector.events("keyed", 1)
        assert keyed.key == {"mail": Mask("hash", key=key).text("in clear")}
        (odd,) = connector.events("odd", 1)
        assert _value(odd, "v") is None
        assert odd.value is not None
        assert set(odd.value["after"].values()) == {1, None, Mask("hash", key=key).text("in clear")}
        config = requests.get(f"{addresses.connect[0]}/connectors/{connector.name}/config", timeout=10).text
        assert key.decode() not in config
        for log in addresses.secrets.parent.rglob("*.log"):
            assert key not in log.read_bytes(), log


def test_an_unchanged_large_value_stays_marked(addresses: Addresses) -> None:
    with capture(addresses, "masks_toast") as connector, psycopg.connect(connector.url, autocommit=True) as source:
        source.execute("create table t (id int primary key, n int, big text, gone text)")
        source.execute("alter table t alter big set storage external, alter gone set storage external")
        source.execute("insert into t values (1, 0, repeat('clear', 1000), repeat('clear', 1000))")
        masks = {"afflux.masks.public.t.big": "partial:4", "afflux.masks.public.t.gone": "remove"}
        connector.start(**PLUGIN | MASKING | masks)
        connector.events("t", 1)
        source.execute("update t set n = 1")
        source.execute("update t set id = 2")
        first, updated, _, _, moved = connector.events("t", 5)
        assert _value(first, "big") == "*" * 4996 + "lear"
        assert [_value(event, "big") for event in (updated, moved)] == [UNCHANGED, UNCHANGED]
        assert [_value(event, "gone") for event in (first, updated, moved)] == [None, None, None]


def _value(event: Event, column: str) -> object:
    assert event.value is not None
    return event.value["after"][column]


CLEAR = "in-clear-4111-1111"
IN_SINK = {
    "email": {"mask": "hash"},
    "card": {"mask": "partial"},
    "note": {"mask": "remove"},
    "big": {"mask": "hash"},
    "number": {"mask": "hash"},
}
AT_SOURCE = {name: rule | {"where": "source"} for name, rule in IN_SINK.items()}


@pytest.fixture
def place(addresses: Addresses, tmp_path: Path) -> Iterator[Estate]:
    with estate(addresses, tmp_path, "maskedsource", shards=1) as made:
        made.sql(
            "create table $.people (id int primary key, seen int, email text, card text, note text, big text, number int)",
            "alter table $.people alter big set storage external",
        )
        yield made


def declare(place: Estate, columns: dict[str, dict[str, str]]) -> None:
    place.tables = [{"source": rf"{place.name}\..*", "columns": columns}]
    place.write()
    key = f"${{file:{place.addresses.secrets}:warehouse_password}}"
    place.path.write_text(f"{place.path.read_text()}masking: {json.dumps({'key': key})}\n")


def in_topic(place: Estate, since: int = 0) -> bytes:
    """All bytes of the table's topic, from an offset on."""
    topic = place.topic("people")
    consumer = Consumer({"bootstrap.servers": place.addresses.kafka, "group.id": "looks", "enable.auto.commit": False})
    end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)[1]
    consumer.assign([TopicPartition(topic, 0, since)])
    found, at = b"", since
    while at < end - 1:  # the last may be a transaction's marker
        for message in consumer.consume(500, 1) or [None]:
            if message is None:
                at = end
            else:
                found += (message.key() or b"") + (message.value() or b"")
                at = (message.offset() or 0) + 1
    consumer.close()
    assert found
    return found


def insert(place: Estate, number: int) -> None:
    big = f"repeat('{CLEAR}', 400)"
    place.sql(f"insert into $.people values ({number}, 0, '{CLEAR}', '{CLEAR}', '{CLEAR}', {big}, 4111)")


def test_the_clear_value_is_in_no_topic_and_the_rows_are_those_of_masks_in_the_sink(place: Estate) -> None:
    declare(place, AT_SOURCE)
    insert(place, 1)
    place.sql("insert into $.people (id, seen) values (2, 0)")
    place.apply()
    place.daemon.start()
    key = resolve(f"${{file:{place.addresses.secrets}:warehouse_password}}").encode()
    hashed, large, number = (Mask("hash", key=key).text(text) for text in (CLEAR, CLEAR * 400, "4111"))
    masked = (hashed, "*" * (len(CLEAR) - 4) + CLEAR[-4:], None, large, number)
    shown = "select id, seen, email, card, note, big, number from $.people order by id"
    place.await_target("select to_regclass('$.people') is not null", [(True,)])
    place.await_target(shown, [(1, 0, *masked), (2, 0, *[None] * 5)])
    place.sql("update $.people set seen = 1")
    insert(place, 3)
    place.await_target(shown, [(1, 1, *masked), (2, 1, *[None] * 5), (3, 0, *masked)])
    assert place.operate("verify", "--wait", "60")
    assert CLEAR.encode() not in in_topic(place)


def test_a_mask_that_is_moved_to_the_source_changes_no_row_and_the_plan_says_what_stays_in_kafka(place: Estate) -> None:
    declare(place, IN_SINK)
    insert(place, 1)
    place.apply()
    place.daemon.start()
    place.await_target("select to_regclass('$.people') is not null", [(True,)])
    place.await_target("select count(*) from $.people", [(1,)])
    before = len(place.read(place.topic("people"), 1))
    assert CLEAR.encode() in in_topic(place)
    declare(place, AT_SOURCE)
    plan = place.operate("connectors", "plan", "-o", "json", code=None)
    assert f"afflux.masks.{place.name}.people.email" in plan
    assert resolve(f"${{file:{place.addresses.secrets}:warehouse_password}}") not in plan
    place.apply()

    insert(place, 2)
    place.sql("update $.people set seen = 5")
    place.await_target("select count(*) from $.people where seen = 5", [(2,)])
    assert place.target("select count(distinct (email, card, note, big, number)) from $.people") == [(1,)]
    assert place.operate("verify", "--wait", "60")
    assert CLEAR.encode() not in in_topic(place, since=before + 1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"afflux.type": "io.afflux.connect.OfALaterVersion"}, "OfALaterVersion"),  # as an older plugin lacks ours
        ({"afflux.masks.public.t.v": "scramble"}, "the mask of public.t.v is not known"),
        ({"afflux.masks.public.t.v": "hash"}, "the hash of public.t.v has no key"),
    ],
    ids=["no such class", "no such mask", "no key"],
)
def test_a_connector_that_can_not_mask_fails_and_hands_over_nothing(
    addresses: Addresses, given: dict[str, str], says: str
) -> None:
    with capture(addresses, "masks_closed") as connector, psycopg.connect(connector.url, autocommit=True) as source:
        source.execute("create table t (id int primary key, v text)")
        source.execute("insert into t values (1, 'in clear')")
        try:
            connector.start(**PLUGIN | MASKING | given)
        except AssertionError as refused:
            assert says in str(refused)  # noqa: PT017 - Connect refuses some at once, and others when the task starts
        else:
            wait_for(lambda: bool(connector.failure()), PATIENCE, "a failed task")
            assert says in connector.failure()
        assert f"{connector.name}.public.t" not in Topics(addresses.kafka).names()
