"""The real stack that integration tests share: one for the whole run, brought down with all its files at the end.

Tests keep apart by names of their own: tables, topologies and connectors named after the test.
`AFFLUX_TEST_STATE=/tmp/mine` keeps a stack from one run to the next, for quick turns while writing tests.
`--stack=containers` runs its parts as containers; tests of the local stack itself, which kill processes, are left out.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.stack import Addresses, Stack
from containers import containers


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    kept = os.environ.get("AFFLUX_TEST_STATE")
    shared = Stack(Path(kept) if kept else tmp_path_factory.mktemp("stack"))
    try:
        shared.up(shards=3, jdbc_sink=not kept)
        yield shared
    finally:
        if not kept:
            shared.down(purge=True)


@pytest.fixture(scope="session")
def addresses(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    if request.config.getoption("--stack") == "containers":
        with containers(tmp_path_factory.mktemp("containers"), shards=3) as running:
            yield running
    else:
        yield request.getfixturevalue("stack").addresses()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--stack") == "containers":
        local = [item for item in items if {"stack", "own"} & set(getattr(item, "fixturenames", ()))]
        config.hook.pytest_deselected(items=local)
        items[:] = [item for item in items if item not in local]
