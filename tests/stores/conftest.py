"""A lake in an object store, for the tests of every sink and for those of lakes."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from afflux.sinks.delta.store import Store, store_of
from afflux.topology.sinks import DeltaSink as Config
from integration.conftest import stack
from stores import azure, s3
from stores.served import Served
from targets import DeltaTarget

SHARED = (stack,)
"""The real stack, for the faults under load."""

STORES = {"s3": s3.running, "azure": azure.running}
SECRET = "AFFLUX_TEST_STORES_SECRET"


@pytest.fixture(scope="session", params=STORES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Each store in turn, reached by this process."""
    with STORES[request.param](tmp_path_factory.mktemp(request.param)) as server, pytest.MonkeyPatch.context() as here:
        here.setenv(SECRET, server.secret)
        for name, value in server.environment().items():
            here.setenv(name, value)
        yield server


class BucketTarget(DeltaTarget):
    """A lake in a bucket, its secret by reference."""

    def __init__(self, server: Served) -> None:
        super().__init__(Path("unused"))
        options = server.options() | {server.secret_option: f"${{env:{SECRET}}}"}
        path = f"{server.path}/{uuid4().hex}/{self.schema}"
        self.config = Config(name="lake", type="delta", path=path, storage_options=options)
        self.store: Store = store_of(self.config)


@pytest.fixture
def target(served: Served) -> DeltaTarget:
    return BucketTarget(served)


@pytest.fixture
def lake(served: Served) -> DeltaTarget:
    return BucketTarget(served)
