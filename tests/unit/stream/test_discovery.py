from collections.abc import Iterable

import pytest

from afflux.errors import KafkaError
from afflux.stream.discovery import Discovery
from afflux.stream.subscription import Declared, prefixes
from afflux.topology.model import Topology
from unit.topology.topologies import small

TOPOLOGY = Topology.model_validate(small())
ORDERS = f"{next(iter(prefixes(TOPOLOGY)))}.public.orders"


class Broker:
    """What a broker would say."""

    def __init__(self) -> None:
        self.topics: dict[str, str] = {ORDERS: "1", "another": "2"}
        self.error: KafkaError | None = None

    def names(self) -> set[str]:
        if self.error:
            raise self.error
        return set(self.topics)

    def ids(self, names: Iterable[str]) -> dict[str, str]:
        return {name: self.topics[name] for name in names}


def turn(discovery: Discovery) -> frozenset[str] | None:
    discovery.soon()
    return discovery.turn(TOPOLOGY, Declared(TOPOLOGY), patiently=False)


def test_the_topologys_own_topics_are_found_and_no_others() -> None:
    discovery = Discovery(Broker())
    assert turn(discovery) == {ORDERS}


def test_nothing_is_known_before_the_broker_has_answered_once() -> None:
    broker = Broker()
    discovery = Discovery(broker)
    broker.error = KafkaError("nobody there", transient=True)
    assert turn(discovery) is None
    assert (discovery.known, discovery.away) == (False, "nobody there")
    broker.error = None
    turn(discovery)
    assert (discovery.known, discovery.away) == (True, "")


def test_what_waiting_does_not_mend_is_said() -> None:
    broker = Broker()
    broker.error = KafkaError("not allowed")
    with pytest.raises(KafkaError, match="not allowed"):
        turn(Discovery(broker))


def test_a_topic_with_another_id_than_when_it_was_claimed_is_suspected_once() -> None:
    broker = Broker()
    discovery = Discovery(broker)
    discovery.ids_of([ORDERS])
    turn(discovery)
    assert discovery.suspects() == set()
    broker.topics[ORDERS] = "3"
    turn(discovery)
    assert discovery.suspects() == {ORDERS}
    assert discovery.suspects() == set()
