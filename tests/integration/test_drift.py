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

    def change_the_compatibility(self) -> None:
        subject = f"{self.home.topic('orders')}-value"
        Registry(self.home.addresses.registry).set_compatibility(subject, "BACKWARD")

    def compact_a_topic(self) -> None:
        self.home.kafka.configure(self.home.topic("orders"), {"cleanup.policy": "compact"})


MENDED: list[tuple[Callable[[Hand], None], str, tuple[str, str | None, str | None]]] = [
    (Hand.edit_the_config, "set connector", ("poll.interval.ms", "77", "50")),
    (Hand.delete_the_connector, "create connector", ("slot.drop.on.stop", None, "false")),
    (Hand.alter_the_publication, "set publication", ("$.orders", None, "published")),
    (Hand.change_the_compatibility, "set compatibility", ("compatibility of $-value", "BACKWARD", "NONE")),
    (Hand.compact_a_topic, "set topic", ("cleanup.policy", "compact", "delete")),
]


@pytest.mark.parametrize(("change", "kind", "value"), MENDED, ids=[change.__name__ for change, *_ in MENDED])
def test_what_is_changed_by_hand_is_named_and_mended(
    home: Estate, change: Callable[[Hand], None], kind: str, value: tuple[str, str | None, str | None]
) -> None:
    change(Hand(home))
    drift = home.ask("connectors", "drift", code=3)
    assert "hunter2" not in str(drift)
    (action,) = [each for each in drift["actions"] if each["kind"] == kind]
    key = value[0].replace("$-value", f"{home.topic('orders')}-value").replace("$", home.name)
    assert {"key": key, "old": value[1], "new": value[2]} in action["changes"]
    home.operate("connectors", "apply")
    home.operate("connectors", "drift")
    home.await_equal("orders")  # whatever was written meanwhile is in the target


def test_a_slot_dropped_by_hand_is_named_and_made_anew_only_with_leave(home: Estate) -> None:
    hand = Hand(home)
    home.operate("connectors", "stop", "shard0")
    drop = f"select pg_drop_replication_slot('{hand.names.slot}') from pg_replication_slots where slot_name = '{hand.names.slot}' and not active"
    wait_for(lambda: bool(home.sql(drop)), PATIENCE, "the slot is not let go")
    (refusal,) = refused(home)
    assert (refusal["kind"], refusal["allow"]) == ("drop slot", "data-loss")
    assert "the slot is gone" in refusal["reason"]
    home.operate("connectors", "apply", code=1)
    assert refused(home) == [refusal]
    home.operate("connectors", "apply", "--allow", "data-loss")
    home.operate("connectors", "drift")
    home.await_equal("orders")


def test_a_slot_made_anew_by_hand_is_not_taken_for_the_old_one(home: Estate) -> None:
    hand = Hand(home)
    home.operate("connectors", "stop", "shard0")
    again = f"select pg_drop_replication_slot('{hand.names.slot}') from pg_replication_slots where slot_name = '{hand.names.slot}' and not active"
    wait_for(lambda: bool(home.sql(again)), PATIENCE, "the slot is not let go")
    home.sql(
        "insert into $.orders values (300, 'between the slots')",
        f"select pg_create_logical_replication_slot('{hand.names.slot}', 'pgoutput')",
    )
    (refusal,) = refused(home)
    assert "further than the connector has read" in refusal["reason"]
    home.operate("connectors", "apply", "--allow", "data-loss")
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
