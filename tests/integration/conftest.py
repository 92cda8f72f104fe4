"""The real stack that integration tests share: one for the whole run, brought down with all its files at the end.

Tests keep apart by names of their own: tables, topologies and connectors named after the test.
`AFFLUX_TEST_STATE=/tmp/mine` keeps a stack from one run to the next, for quick turns while writing tests.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.stack import Addresses, Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    kept = os.environ.get("AFFLUX_TEST_STATE")
    shared = Stack(Path(kept) if kept else tmp_path_factory.mktemp("stack"))
    try:
        shared.up(shards=3)
        yield shared
    finally:
        if not kept:
            shared.down(purge=True)


@pytest.fixture(scope="session")
def addresses(stack: Stack) -> Addresses:
    return stack.addresses()
