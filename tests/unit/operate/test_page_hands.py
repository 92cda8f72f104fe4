"""What the page's hands refuse before they ask any server."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from afflux.contracts import differences as compared
from afflux.errors import TopologyError, UsageError
from afflux.monitor.page.acts import Wish
from afflux.operate.letters import parse_id
from afflux.operate.page import LISTED, Hands
from declared import topology


def hands() -> Hands:
    of = topology(monitor={"page": {"tokens": {"ops": "${env:PAGE_TOKEN}"}, "hosts": ["${env:PAGE_HOST}"]}})
    return Hands(lambda: of)


def wish(action: str, **more: object) -> Wish:
    return Wish(action=action, by="ops at 127.0.0.1", why="because", **more)  # type: ignore[arg-type]  # as each case has it


def test_tokens_and_hosts_are_references_that_are_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGE_TOKEN", "a-token-of-good-length")
    monkeypatch.setenv("PAGE_HOST", "afflux.example.com")
    assert hands().tokens() == {"ops": "a-token-of-good-length"}
    assert hands().hosts() == ["afflux.example.com"]


def test_a_token_that_can_be_guessed_or_is_not_there_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TopologyError, match="PAGE_TOKEN"):
        hands().tokens()
    monkeypatch.setenv("PAGE_TOKEN", "short-secret")
    with pytest.raises(TopologyError, match="fewer than 16") as refused:
        hands().tokens()
    assert "short-secret" not in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (wish("drop"), "no action 'drop'|no shard"),
        (wish("drop", shard="shard0"), "no action 'drop'"),
        (wish("restart", shard="shard9"), "no shard 'shard9'"),
        (wish("resynchronise", shard="shard0"), "reads all rows anew"),
        (wish("resynchronise", shard="shard0", confirm="shard1"), "reads all rows anew"),
        (wish("replay", sink="warehouse"), "choose 1 to"),
        (wish("discard", sink="warehouse", ids=("t:0:1",) * (LISTED + 1)), "choose 1 to"),
        (wish("discard", sink="lake", ids=("t:0:1",)), "no sink 'lake'"),
    ],
)
def test_what_is_not_there_or_not_confirmed_is_refused(wanted: Wish, why: str) -> None:
    looked: list[bool] = []
    of = topology()
    with pytest.raises(UsageError, match=why):
        Hands(lambda: of, lambda: looked.append(True)).act(wanted)


def test_contracts_that_are_not_there_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one.yaml").write_text("table: a.b")
    places = [tmp_path / "none", tmp_path / "empty", tmp_path / "one.yaml"]
    assert [compared._holds_any(place) for place in places] == [False, False, True]


@given(
    st.text(max_size=60)
    | st.builds("{}:{}:{}".format, st.text(max_size=9), st.text("0123456789-\u0663", max_size=30), st.integers())
)
@example("t\0:0:1")
@example("t:0:" + "9" * 5000)
@example("t:\u0663:1")
@example("' or 1=1 --:0:1")
def test_what_is_no_letter_s_id_reaches_no_database(number: str) -> None:
    try:
        found = parse_id(number)
    except UsageError:
        return
    assert f"{found.partition.topic}:{found.partition.number}:{found.offset}".isascii()
    assert "\0" not in found.partition.topic
    assert max(found.partition.number, found.offset) < 2**63
