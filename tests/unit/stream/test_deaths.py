from afflux.sinks.batch import DeadLetter, Partition
from afflux.stream.deaths import Deaths
from afflux.topology.model import OnError


def letter(offset: int, topic: str = "t") -> DeadLetter:
    return DeadLetter(Partition(topic, 0), offset, None, b"", (), kind="k", reason="r")


def test_dead_letters_are_counted_within_the_window_by_topic_and_once() -> None:
    now = [0.0]
    deaths = Deaths(lambda _: OnError(most=2, window="10s"), clock=lambda: now[0])
    assert [deaths.count(letter(0)), deaths.count(letter(1)), deaths.count(letter(1))] == ["", "", ""]
    assert deaths.count(letter(0, "other")) == ""
    assert "t:0:2" in deaths.count(letter(2))
    now[0] = 11.0
    assert deaths.count(letter(3)) == ""


def test_a_resumed_topic_is_counted_anew() -> None:
    deaths = Deaths(lambda _: OnError(most=1, window="forever"), clock=lambda: 0.0)
    deaths.count(letter(0))
    assert deaths.count(letter(1))
    deaths.forget("t")
    assert deaths.count(letter(2)) == ""
