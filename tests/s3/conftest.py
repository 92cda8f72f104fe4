"""A lake in an object store, for the tests of every sink and for those of lakes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.sinks.delta.store import Store, store_of
from afflux.topology.sinks import DeltaSink as Config
from integration.conftest import stack
from s3.server import BUCKET, S3, running
from targets import DeltaTarget

SHARED = (stack,)
"""The real stack, for the faults under load."""


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with running(tmp_path_factory.mktemp("s3")) as server:
        yield server


class S3Target(DeltaTarget):
    """A lake in a bucket, its keys by reference."""

    def __init__(self, server: S3) -> None:
        super().__init__(Path("unused"))
        os.environ["AFFLUX_TEST_KEY"] = server.secret_key
        options = server.options() | {"aws_secret_access_key": "${env:AFFLUX_TEST_KEY}"}
        path = f"s3://{BUCKET}/some/{self.schema}"
        self.config = Config(name="lake", type="delta", path=path, storage_options=options)
        self.store: Store = store_of(self.config)


@pytest.fixture
def target(s3: S3) -> DeltaTarget:
    return S3Target(s3)


@pytest.fixture
def lake(s3: S3) -> DeltaTarget:
    return S3Target(s3)
