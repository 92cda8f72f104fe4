"""Whatever a topology.yaml holds: it is loaded, or it is said what is wrong."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from afflux.errors import TopologyError
from afflux.topology.load import load
from hostile import HOSTILE

WORDS = st.sampled_from(
    ["name", "kafka", "source", "shards", "tables", "sinks", "transforms", "regex", "url", "type", "columns", "mask"]
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(HOSTILE[:17]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def tried(folder: Path, content: bytes) -> None:
    path = folder / "topology.yaml"
    path.write_bytes(content)
    with pytest.raises(TopologyError) as raised:
        load(path)
    assert raised.value.message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("topologies")


@given(TREES)
def test_any_tree_is_refused_in_words(folder: Path, tree: object) -> None:
    tried(folder, yaml.safe_dump(tree, allow_unicode=True).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(folder: Path, content: bytes) -> None:
    tried(folder, content)


@pytest.mark.parametrize(
    "content",
    ["!!python/object/apply:os.system ['touch /tmp/x']", "a: &a [*a]", "x: " + "[" * 5000, "&x {? *x : 1}"],
    ids=["an object", "itself", "deep", "its own key"],
)
def test_tricks_of_yaml_are_refused(folder: Path, content: str) -> None:
    tried(folder, content.encode())
