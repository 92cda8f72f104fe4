"""Events that can't be applied, among good ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from afflux.sinks.state import LetterHead, LetterState
from chaos.arena import Arena
from chaos.fault import Fault
from chaos.waiting import wait_for


def _topic(arena: Arena, shard: int, table: str) -> str:
    return f"{arena.name}-shard{shard}.{arena.name}.{table}"


def _produce(arena: Arena, topic: str, key: bytes | None, value: bytes, partition: int = 0) -> int:
    """Write a message of our own and return its offset."""
    offsets: list[int] = []
    producer = Producer({"bootstrap.servers": arena.addresses.kafka})
    producer.produce(topic, value, key, partition, on_delivery=lambda _, message: offsets.append(message.offset()))
    assert producer.flush(30) == 0
    return offsets[0]


def _find(arena: Arena, topic: str, wanted: bytes) -> Message:
    """Find the message whose value holds some bytes."""
    consumer = Consumer({"bootstrap.servers": arena.addresses.kafka, "group.id": "chaos", "enable.auto.commit": False})
    found: list[Message] = []

    def look() -> list[Message]:
        found.extend(m for m in consumer.consume(1000, 1) if m.error() is None and wanted in (m.value() or b""))
        return found

    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(arena.partitions)])
        return wait_for(look, 60, f"{wanted!r} in {topic}")[0]
    finally:
        consumer.close()


def _await_letter(arena: Arena, topic: str, offset: int, state: str) -> tuple[str, str]:
    """Wait for the dead letter of an event; return its kind and reason."""
    (found,) = wait_for(
        lambda: [each for each in arena.ground.letters(topic, state) if each.id.offset == offset],
        60,
        lambda: f"a dead letter of {topic} at {offset}, {state}\n{arena.tails()}",
    )
    return found.kind, found.reason


@contextmanager
def _refusals(arena: Arena, topic: str, count: int) -> Iterator[Callable[[], tuple[str, str]]]:
    """Await so many dead letters of a topic beside those that are there, and in the end that all are superseded.

    Gives what waits for them, and returns the kind and reason of one; they may be superseded by then.
    """
    known = {letter.id for letter in arena.ground.letters(topic)}

    def new() -> list[LetterHead]:
        return [letter for letter in arena.ground.letters(topic) if letter.id not in known]

    def await_all() -> tuple[str, str]:
        said = lambda: f"{count} dead letters of {topic}: {new()}\n{arena.tails()}"  # noqa: E731 - it is told late
        wait_for(lambda: len(new()) == count, 60, said)
        ((kind, reason),) = {(letter.kind, letter.reason) for letter in new()}
        return kind, reason

    yield await_all
    done = lambda: {letter.state for letter in new()} == {LetterState.SUPERSEDED}  # noqa: E731 - it is waited for
    wait_for(done, 60, lambda: f"the dead letters to be superseded: {new()}\n{arena.tails()}")


def _garbage(arena: Arena) -> str:
    shard = arena.random.choice([*arena.shards])
    topic = _topic(arena, shard, "items")
    offset = _produce(arena, topic, None, b"garbage " + arena.random.randbytes(40))
    kind, reason = _await_letter(arena, topic, offset, "open")
    arena.progress()
    return f"offset {offset}: {kind}: {reason[-90:]}"


def _cut(arena: Arena) -> str:
    """Half an event, under the key of a row that lives on: its next change makes the dead letter irrelevant."""
    shard = arena.random.choice([*arena.shards])
    topic, word = _topic(arena, shard, "items"), f"cut {arena.random.getrandbits(40):x}"
    with psycopg.connect(arena.shards[shard], autocommit=True) as source:
        statement = f"INSERT INTO {arena.name}.items (id, name) VALUES (nextval('{arena.name}.keys'), %s) RETURNING id"
        ((key,),) = source.execute(statement, [word]).fetchall()
        whole = _find(arena, topic, word.encode())
        value, partition = whole.value() or b"", whole.partition() or 0
        offset = _produce(arena, topic, whole.key(), value[: len(value) // 2], partition)
        kind, _ = _await_letter(arena, topic, offset, "open")
        source.execute(f"UPDATE {arena.name}.items SET name = 'mended' WHERE id = %s", [key])
        _await_letter(arena, topic, offset, "superseded")
    return f"offset {offset}: {kind}, superseded by the row's next change"


def _cut_of_nobody(arena: Arena) -> str:
    shard = arena.random.choice([*arena.shards])
    topic = _topic(arena, shard, "items")
    some = _find(arena, topic, b"first 1")
    key = (some.key() or b"")[:5] + bytes((0xFE, 0xFF, 0xFF, 0xFF, 0xFF, arena.random.randrange(128)))
    offset = _produce(arena, topic, key, (some.value() or b"")[:-7])
    kind, reason = _await_letter(arena, topic, offset, "open")
    arena.progress()
    return f"offset {offset}: {kind}: {reason[-90:]}"


def _unknown_schema(arena: Arena) -> str:
    """A table on a topic of its own stops; nothing else does."""
    topic = _topic(arena, arena.staff - 1, "victim")
    some = _find(arena, _topic(arena, arena.staff - 1, "items"), b"first 1")
    offset = _produce(arena, topic, some.key(), b"\0\x7f\xff\xff\xff" + (some.value() or b"")[5:])
    reason = wait_for(lambda: arena.ground.stopped().get(topic), 60, lambda: f"{topic} to stop\n{arena.tails()}")
    arena.progress()
    return f"offset {offset}: {reason[-80:]}"


def _refused(count: int) -> Callable[[Arena], str]:
    """The target refuses values, found among good rows of the same transaction."""

    def play(arena: Arena) -> str:
        shard = arena.random.choice([*arena.shards])
        topic = _topic(arena, shard, "items")
        with (
            psycopg.connect(arena.addresses.warehouse_url, autocommit=True) as target,
            psycopg.connect(arena.shards[shard], autocommit=True) as source,
            _refusals(arena, topic, count) as letters,
        ):
            target.execute(f"ALTER TABLE {arena.name}.items ADD CONSTRAINT picky CHECK (name NOT LIKE 'refuse me%')")
            try:
                source.execute(
                    f"INSERT INTO {arena.name}.items (id, name) SELECT nextval('{arena.name}.keys'), "
                    f"CASE WHEN g % 20 < {count} THEN 'refuse me ' ELSE 'good ' END || g FROM generate_series(0, 19) g"
                )
                kind, reason = letters()
                good = f"SELECT count(*) FROM {arena.name}.items WHERE name LIKE 'good %%' AND _shard = %s"
                wait_for(lambda: (target.execute(good, [f"shard{shard}"]).fetchone() or (0,))[0] > 0, 60, "good rows")
            finally:
                target.execute(f"ALTER TABLE {arena.name}.items DROP CONSTRAINT picky")
            source.execute(f"UPDATE {arena.name}.items SET name = 'refused before' WHERE name LIKE 'refuse me%'")
        return f"{count} row(s) of 20: {kind}: {reason[:90]}; superseded by the rows' next changes"

    return play


def _refused_by_a_lake(arena: Arena) -> str:
    """A lake's timestamps have no infinity: one among good rows is refused, and superseded by the row's next change."""
    shard = arena.random.choice([*arena.shards])
    topic = _topic(arena, shard, "items")
    with psycopg.connect(arena.shards[shard], autocommit=True) as source, _refusals(arena, topic, 1) as letters:
        source.execute(
            f"INSERT INTO {arena.name}.items (id, name, seen) SELECT nextval('{arena.name}.keys'), 'good ' || g, "
            "CASE WHEN g = 7 THEN 'infinity' ELSE now() END FROM generate_series(0, 19) g"
        )
        kind, reason = letters()
        source.execute(f"UPDATE {arena.name}.items SET seen = now() WHERE seen = 'infinity'")
    return f"1 row of 20: {kind}: {reason[:90]}; superseded by the row's next change"


LAKE = (
    Fault("poison: a value that a lake can't hold", _refused_by_a_lake, (("refused by the target", "superseded"),)),
)

FAULTS = (
    Fault("poison: garbage", _garbage, (("no schema id", "open"),)),
    Fault("poison: half an event, of a row that lives", _cut, (("not of its schema", "superseded"),)),
    Fault("poison: a cut event, of no row", _cut_of_nobody, (("not of its schema", "open"),)),
    Fault("poison: a schema id that nobody knows", _unknown_schema, stops="victim"),
    Fault("poison: a value that the target refuses", _refused(1), (("refused by the target", "superseded"),)),
    Fault("poison: values that the target refuses", _refused(3), (("refused by the target", "superseded"),) * 3),
)
