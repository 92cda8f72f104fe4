"""What somebody changes by hand is named by `drift`, and mended by `apply` or refused with its reason."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from afflux.clients.connect import Connect
from afflux.clients.registry import Registry
from afflux.clients.topics import Topic
from afflux.stack import Addresses
from afflux.topology.load import load_resolved
from afflux.topology.names import shard_names
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def home(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """One shard that streams as the topology says."""
    with estate(addresses, tmp_path_factory.mktemp("drift"), "drift", shards=1) as made:
        made.sql("create table $.orders (id int primary key, note text)", "create table $.other (id int primary key)")
        made.apply()
        made.daemon.start()
        yield made


class Hand:
    """Somebody who changes what afflux has made, without telling it."""

    def __init__(self, home: Estate) -> None:
        topology = load_resolved(home.path)
        self.home, self.connect = home, Connect(home.addresses.connect[0])
        self.names = shard_names(topology, topology.shards[0])

    def edit_the_config(self) -> None:
        config = self.connect.connectors()[self.names.connector].config
        self.connect.put_config(
            self.names.connector, config | {"poll.interval.ms": "77", "somebody.password": "hunter2"}
        )

    def delete_the_connector(self) -> None:
        self.connect.delete(self.names.connector)
        self.home.sql("insert into $.orders values (100, 'while there was none')")

    def alter_the_publication(self) -> None:
        with psycopg.connect(self.home.addresses.shards[0].superuser_url, autocommit=True) as connection:
            connection.execute(f"alter publication {self.names.publication} drop table {self.home.name}.orders")
        self.home.sql("insert into $.orders values (200, 'while it was not published')")

    def drop_the_slot(self) -> None:
        self.home.operate("connectors", "stop", "shard0")
        mine = f"from pg_replication_slots where slot_name = '{self.names.slot}' and not active"
        drop = f"select pg_drop_replication_slot(slot_name) {mine}"
        wait_for(lambda: bool(self.home.sql(drop)), PATIENCE, "the slot is not let go")

    def make_the_slot_anew(self) -> None:
        self.drop_the_slot()
        self.home.sql(
            "insert into $.orders values (300, 'between the slots')",
            f"select pg_create_logical_replication_slot('{self.names.slot}', 'pgoutput')",
        )

    def drop_the_publication(self) -> None:
        with psycopg.connect(self.home.addresses.shards[0].superuser_url, autocommit=True) as connection:
            connection.execute(f"drop publication {self.names.publication}")
        self.home.sql("insert into $.orders values (400, 'without a publication')")

    def change_the_compatibility(self) -> None:
        subject = f"{self.home.topic('orders')}-value"
        Registry(self.home.addresses.registry).set_compatibility(subject, "BACKWARD")

    def compact_a_topic(self) -> None:
        self.home.kafka.configure(self.home.topic("orders"), {"cleanup.policy": "compact"})


MENDED: dict[str, tuple[Callable[[Hand], None], tuple[str, str | None, str | None]]] = {
    # what mends it: (who did it, what is said of it)
    "set connector": (Hand.edit_the_config, ("poll.interval.ms", "77", "50")),
    "set publication": (Hand.alter_the_publication, ("$.orders", None, "published")),
    "set compatibility": (Hand.change_the_compatibility, ("compatibility of $-value", "BACKWARD", "NONE")),
    "set topic": (Hand.compact_a_topic, ("cleanup.policy", "compact", "delete")),
}


def test_what_is_changed_by_hand_is_named_and_mended(home: Estate) -> None:
    for change, _ in MENDED.values():
        change(Hand(home))
    drift = home.ask("connectors", "drift", code=3)
    assert "hunter2" not in str(drift)
    for kind, (_, (key, old, new)) in MENDED.items():
        (action,) = [each for each in drift["actions"] if each["kind"] == kind]
        name = key.replace("$-value", f"{home.topic('orders')}-value").replace("$", home.name)
        assert {"key": name, "old": old, "new": new} in action["changes"]
    home.operate("connectors", "apply")
    home.operate("connectors", "drift")
    home.await_equal("orders")  # also what was written while the table was not published


def test_a_connector_deleted_by_hand_is_made_again_and_misses_nothing(home: Estate) -> None:
    Hand(home).delete_the_connector()
    (action,) = home.ask("connectors", "drift", code=3)["actions"]
    assert (action["kind"], action["risk"]) == ("create connector", "none")
    home.operate("connectors", "apply")
    home.operate("connectors", "drift")
    home.await_equal("orders")


LOST: list[tuple[Callable[[Hand], None], str]] = [
    (Hand.make_the_slot_anew, "further than the connector has read"),
    (Hand.drop_the_publication, "the publication is gone while its slot stayed"),
]


@pytest.mark.parametrize(("change", "said"), LOST, ids=[change.__name__ for change, _ in LOST])
def test_a_connector_that_lost_its_place_is_named_and_begins_anew_only_with_leave(
    home: Estate, change: Callable[[Hand], None], said: str
) -> None:
    change(Hand(home))
    (refusal,) = refused(home)
    assert (refusal["kind"], refusal["allow"]) == ("drop slot", "data-loss")
    assert said in refusal["reason"]
    home.operate("connectors", "plan", code=3)
    home.operate("connectors", "apply", "--allow", "data-loss")
    home.operate("connectors", "drift")
    home.await_equal("orders")


def test_without_leave_nothing_is_done_about_a_lost_place(home: Estate) -> None:
    Hand(home).drop_the_slot()
    before = refused(home)
    assert "the slot is gone" in before[0]["reason"]
    home.operate("connectors", "apply", "--wait", "20", code=1)
    assert refused(home) == before
    home.operate("connectors", "resync", "shard0", "--yes")
    home.operate("connectors", "drift")
    home.await_equal("orders")


def test_a_topic_with_other_partitions_is_named_and_left(home: Estate) -> None:
    topic = home.topic("more")
    home.kafka.create([Topic(topic, 3, 1, {"cleanup.policy": "delete", "max.message.bytes": str(64 * 1024 * 1024)})])
    home.sql("create table $.more (id int primary key)")
    home.apply()
    (refusal,) = refused(home)
    assert (refusal["object"], refusal["allow"]) == (f"topic {topic}", None)
    assert refusal["changes"] == [{"key": "partitions", "old": "3", "new": "1"}]
    assert home.kafka.describe([topic])[topic].partitions == 3
    home.operate("connectors", "plan")  # nothing that `apply` would do


def test_a_table_that_a_pattern_newly_matches_is_drift(home: Estate) -> None:
    home.sql("create table $.newcomer (id int primary key)")
    kinds = {each["kind"] for each in home.ask("connectors", "drift", code=3)["actions"]}
    assert kinds == {"create topics", "set connector", "set publication", "copy tables"}


def refused(home: Estate) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.ask("connectors", "drift", code=3)["refused"]
    return found
