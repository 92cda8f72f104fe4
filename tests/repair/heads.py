"""Events that Kafka has deleted before they were applied, on the real parts: no table is begun, or goes on, with a hole."""

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from afflux.stack import Addresses
from afflux.stream.astray import HEADLESS
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack


def delete_head(home: Estate, topic: str) -> None:
    """Delete all that a topic has now, as retention does."""
    end = home.kafka.end_offsets([topic])[topic, 0]
    admin = AdminClient({"bootstrap.servers": home.addresses.kafka})
    for future in admin.delete_records([TopicPartition(topic, 0, end)]).values():
        future.result(30)
    wait_for(lambda: home.kafka.ranges([topic])[topic, 0][0] == end, PATIENCE, f"the head of {topic} to go")


def arrived(home: Estate, table: str, events: int) -> None:
    wait_for(
        lambda: home.kafka.end_offsets([home.topic(table)]).get((home.topic(table), 0), 0) >= events, PATIENCE, "events"
    )


def test_a_sink_that_comes_after_the_head_was_deleted_is_filled_and_one_that_was_away_too_long_goes_on(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with estate(addresses, tmp_path_factory.mktemp("heads"), "heads", shards=1) as home:
        home.sql(
            "CREATE TABLE $.orders (id int PRIMARY KEY, note text, doc text)",
            "ALTER TABLE $.orders ALTER doc SET STORAGE EXTERNAL",
            "INSERT INTO $.orders SELECT n, 'first', repeat('doc' || n, 1000) FROM generate_series(1, 200) n",
        )
        topic = home.topic("orders")
        home.apply()
        arrived(home, "orders", 200)
        delete_head(home, topic)
        home.sql("UPDATE $.orders SET note = 'touched' WHERE id < 50", "DELETE FROM $.orders WHERE id > 190")
        home.daemon.start()
        home.daemon.await_line("table stopped", reason=HEADLESS)
        home.daemon.await_line("read on behind its snapshot")
        home.await_equal("orders")
        assert home.daemon.lines("rows completed from their shards") == [], "no event from before the hole was applied"

        home.daemon.leave()
        home.sql(
            "DELETE FROM $.orders WHERE id % 2 = 0",
            "UPDATE $.orders SET doc = repeat('new', 3000) WHERE id % 3 = 0",
            "INSERT INTO $.orders VALUES (1000, 'unseen')",
        )
        before = home.kafka.end_offsets([topic])[topic, 0]
        wait_for(lambda: home.kafka.end_offsets([topic])[topic, 0] > before + 100, PATIENCE, "the changes in Kafka")
        delete_head(home, topic)
        home.daemon.start()
        home.daemon.await_line("table stopped", reason="and the topic begins at")
        (stopped,) = [state for state in home.ask("tables", "list") if state["topic"] == topic]
        assert f"`afflux tables resync {topic}`" in stopped["reason"]
        home.operate("tables", "resync", topic, "--wait", "90")
        home.await_equal("orders")
        home.sql("UPDATE $.orders SET note = 'and on it goes'")
        home.await_equal("orders")
