from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.errors import StackError, UsageError
from afflux.stack.parts import parts_of
from afflux.stack.settle import AskedPorts, Wishes, settle
from afflux.stack.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State.load_or_make(tmp_path)
    yield state
    state.remove()


def test_a_new_stack_has_three_shards_and_one_worker(state: State) -> None:
    settle(state, Wishes())
    names = [part.name for part in parts_of(state)]
    shards = ["shard0", "shard1", "shard2"]
    assert names == ["kafka", "registry-db", "registry", "connect-0", *shards, "warehouse"]


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.tuples(st.none() | st.integers(1, 5), st.none() | st.integers(1, 3)), min_size=1, max_size=4))
def test_a_stack_only_grows_and_keeps_every_port(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int | None, int | None]]
) -> None:
    folder = tmp_path_factory.mktemp("state")
    state = State.load_or_make(folder)
    for shards, workers in steps:
        before = state.spec.model_copy(deep=True)
        settle(state, Wishes(shards, workers))
        assert state.spec.shards >= max(before.shards, shards or 1)
        assert state.spec.workers >= max(before.workers, workers or 1)
        assert state.spec.ports.items() >= before.ports.items()
        assert len(set(state.spec.ports.values())) == len(state.spec.ports)
    reread = State.load(folder)
    assert reread is not None
    assert reread.spec == state.spec
    state.remove()
    assert not folder.exists()


def test_ports_that_are_asked_for_are_given_and_followed(state: State) -> None:
    settle(state, Wishes(2, 2, AskedPorts(kafka=9092, registry=8081, connect=8083, postgres=5432, warehouse=5500)))
    asked = {"kafka": 9092, "registry": 8081, "connect-0": 8083, "connect-1": 8084}
    asked |= {"shard0": 5432, "shard1": 5433, "warehouse": 5500}
    assert state.spec.ports.items() >= asked.items()


def test_one_port_for_two_parts_is_refused(state: State) -> None:
    with pytest.raises(UsageError, match=r"port 5433 .*shard1 and warehouse"):
        settle(state, Wishes(2, 1, AskedPorts(postgres=5432, warehouse=5433)))
    assert State.load(state.folder) is None


def test_another_version_of_postgres_is_refused_once_there_is_data(state: State) -> None:
    settle(state, Wishes(postgres=18))
    with pytest.raises(UsageError, match="PostgreSQL 18, not 16"):
        settle(state, Wishes(postgres=16))


def test_an_unknown_version_of_postgres_is_refused_with_those_there_are(state: State) -> None:
    with pytest.raises(UsageError, match=r"no PostgreSQL 9.*16 and 18"):
        settle(state, Wishes(postgres=9))


@pytest.mark.parametrize("name", ["with:colon", "with}brace", "with,comma", 'with"quote', "with\\backslash"])
def test_a_folder_that_kafka_can_not_name_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with pytest.raises(UsageError, match="state folder"):
        settle(State.load_or_make(folder), Wishes())
    assert not list(folder.iterdir())


def test_a_state_of_another_version_is_refused_not_misread(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"layout": 2}')
    with pytest.raises(StackError, match="not a state"):
        State.load(tmp_path)
