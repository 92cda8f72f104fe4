"""All shards in one topic, by the connectors' own routers: the promises are those of a topic a shard."""

from collections.abc import Iterator

import pytest

from afflux.clients.registry import Registry
from afflux.stack import Addresses
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack

TABLES_ALONE = r".*-shard[0-9]+\.(\w+\.\w+)"
REGEX = {
    "transforms": "route",
    "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
    "transforms.route.regex": TABLES_ALONE,
    "transforms.route.replacement": "$1",
}
LOGICAL = {
    "transforms": "route",
    "transforms.route.type": "io.debezium.transforms.ByLogicalTableRouter",
    "transforms.route.topic.regex": TABLES_ALONE,
    "transforms.route.topic.replacement": "$1",
    "transforms.route.key.field.name": "whose",
}


@pytest.fixture(scope="module", params=[REGEX, LOGICAL], ids=["regex", "logical"])
def home(
    request: pytest.FixtureRequest, addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Estate]:
    """Two shards whose keys are alike in `items` and not in `orders`, all of it in the target."""
    kind = "regex" if request.param is REGEX else "logical"
    with estate(
        addresses,
        tmp_path_factory.mktemp("layouts"),
        f"layout{kind}",
        tables=[{"source": r".*\.items", "key": "with_shard"}, {"source": rf"layout{kind}\d*\..*"}],
        connector=request.param,
    ) as made:
        made.sql(
            "CREATE TABLE $.items (id int PRIMARY KEY, note text DEFAULT 'none', large text)",
            "ALTER TABLE $.items ALTER large SET STORAGE EXTERNAL",
            "CREATE TABLE $.orders (id int PRIMARY KEY, amount numeric)",
            "INSERT INTO $.items SELECT n, 'first', repeat(md5(n::text), 200) FROM generate_series(1, 200) n",
        )
        for shard in made.shards:
            made.sql(f"INSERT INTO $.orders SELECT n, 1.50 FROM generate_series({shard}, 399, 2) n", shard=shard)
        made.apply()
        made.daemon.start()
        equal(made)
        yield made


def equal(home: Estate) -> None:
    for table in ("items", "orders"):
        home.await_equal(table)


def count(home: Estate, shard: int, table: str = "items") -> int:
    return int(home.target(f"SELECT count(*) FROM $.{table} WHERE _shard = 'shard{shard}'")[0][0])


def test_the_shards_share_their_topics_and_their_subject(home: Estate) -> None:
    mine = {topic for topic in home.kafka.names() if topic.endswith((".items", ".orders")) and home.name in topic}
    assert mine == {f"{home.name}.items", f"{home.name}.orders"}
    subjects = [subject for subject in Registry(home.addresses.registry).subjects() if f"{home.name}.items" in subject]
    assert sorted(subjects) == [f"{home.name}.items-key", f"{home.name}.items-value"]
    assert home.ask("connectors", "plan")["actions"] == []


def test_changes_of_equal_keys_stay_apart(home: Estate) -> None:
    home.sql("UPDATE $.items SET note = 'both' WHERE id % 2 = 0", "DELETE FROM $.items WHERE id % 5 = 0")
    home.sql("UPDATE $.items SET note = NULL WHERE id = 7", "DELETE FROM $.items WHERE id = 8", shard=0)
    home.sql("UPDATE $.items SET id = id + 1000 WHERE id < 50 AND id % 3 = 0", shard=1)
    home.sql("UPDATE $.orders SET amount = amount + 1")
    equal(home)


def test_a_truncate_takes_its_own_shards_rows_alone(home: Estate) -> None:
    others = count(home, 1)
    home.sql("BEGIN", "TRUNCATE $.items", "INSERT INTO $.items VALUES (1, 'after', 'x')", "COMMIT", shard=0)
    equal(home)
    assert (count(home, 0), count(home, 1)) == (1, others)


def test_a_truncate_alone_takes_its_own_shards_rows_alone(home: Estate) -> None:
    others = count(home, 1)
    home.sql("TRUNCATE $.items", shard=0)
    equal(home)
    assert (count(home, 0), count(home, 1)) == (0, others)
    home.sql("INSERT INTO $.items VALUES (2, 'again', 'y')", shard=0)
    equal(home)


def test_each_shard_has_a_watermark_that_goes_on(home: Estate) -> None:
    def marks() -> dict[str, object]:
        return dict(home.target("SELECT shard, watermark FROM afflux.watermarks WHERE topology = '$'"))

    wait_for(lambda: all(marks().get(f"shard{n}") for n in home.shards), PATIENCE, lambda: f"watermarks: {marks()}")
    before = marks()
    wait_for(
        lambda: all(marks()[shard] > at for shard, at in before.items()),  # type: ignore[operator] # both are times
        PATIENCE,
        lambda: f"watermarks stand at {marks()}",
    )


def test_one_shard_is_read_anew_and_the_others_rows_stay(home: Estate) -> None:
    others = count(home, 0)
    home.target(
        "INSERT INTO $.items SELECT 7777, 'never there', NULL, _shard, 1, _source_ts, _synced_at FROM $.items"
        " WHERE _shard = 'shard1' LIMIT 1",
        "DELETE FROM $.items WHERE _shard = 'shard1' AND id = 2",
    )
    home.operate("tables", "resync", f"{home.name}.items", "--shard", "shard1", "--wait", "60")
    equal(home)
    assert count(home, 0) == others
