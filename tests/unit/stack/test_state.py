import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.stack.addresses import addresses_of, exports, write_pgpass
from afflux.stack.settle import Wishes, settle
from afflux.stack.state import PASSWORDS, State
from afflux.stack.topology_file import write_topology
from afflux.topology.load import load
from afflux.topology.secrets import resolve


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State.load_or_make(tmp_path)
    settle(state, Wishes())
    yield state
    state.remove()


def test_files_with_passwords_are_for_their_owner_alone(state: State) -> None:
    write_pgpass(state)
    for path in (state.secrets_file, state.pgpass_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_passwords_differ_and_stay(state: State) -> None:
    before = [state.password(whose) for whose in PASSWORDS]
    assert len(set(before)) == len(PASSWORDS)
    settle(state, Wishes(shards=4))
    assert [state.password(whose) for whose in PASSWORDS] == before


def test_no_password_shows_in_what_people_see(state: State) -> None:
    write_topology(state)
    seen = repr(addresses_of(state)) + str(exports(state)) + state.topology_file.read_text()
    seen += (state.folder / "state.json").read_text()
    assert not [whose for whose in PASSWORDS if state.password(whose) in seen]


def test_the_topology_that_is_written_loads_and_its_references_lead_to_the_passwords(state: State) -> None:
    write_topology(state)
    topology = load(state.topology_file)
    assert [shard.port for shard in topology.shards] == [state.spec.ports[f"shard{n}"] for n in range(3)]
    assert resolve(topology.source.password) == state.password("cdc")
    assert resolve(topology.sinks[0].url) == addresses_of(state).warehouse_url


def test_the_topology_follows_the_stack_until_somebody_edits_it(state: State) -> None:
    assert write_topology(state)
    settle(state, Wishes(shards=4))
    assert write_topology(state)
    assert len(load(state.topology_file).shards) == 4
    edited = state.topology_file.read_text() + "# mine\n"
    state.topology_file.write_text(edited)
    settle(state, Wishes(shards=5))
    assert not write_topology(state)
    assert state.topology_file.read_text() == edited


def test_a_purge_leaves_what_others_put_into_the_folder(state: State) -> None:
    write_topology(state)
    write_pgpass(state)
    theirs = state.folder / "notes.txt"
    theirs.write_text("keep me")
    state.remove()
    assert list(state.folder.iterdir()) == [theirs]
