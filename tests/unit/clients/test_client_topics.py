"""What is said of the broker's refusals, and which of them pass by themselves."""

from concurrent.futures import Future

import confluent_kafka
import pytest

from afflux.clients.topics import Topics
from afflux.errors import KafkaError


def refused(code: int, text: str) -> KafkaError:
    asked: Future[None] = Future()
    asked.set_exception(confluent_kafka.KafkaException(confluent_kafka.KafkaError(code, text)))
    with pytest.raises(KafkaError) as caught:
        Topics("127.0.0.1:1")._result("read offsets", asked)
    return caught.value


def test_a_broker_that_leads_nothing_yet_is_waited_for() -> None:
    error = refused(confluent_kafka.KafkaError._NOENT, "Failed to query partition leaders: No leaders found")
    assert "No leaders found" in error.message
    assert error.transient
    assert refused(confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE, "").transient


def test_a_refusal_for_good_is_not_waited_for() -> None:
    assert not refused(confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED, "").transient
