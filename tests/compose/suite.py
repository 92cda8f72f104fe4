"""compose.yaml from nothing to equal rows, with a sink killed on the way. `make containers` builds the images first."""

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from afflux.sinks.batch import TableName
from afflux.stack.ports import find_free
from afflux.verify.compare import compare

TOP = Path(__file__).resolve().parents[2]
PASSWORD = secrets.token_urlsafe(16)
SHARDS = ("shard0", "shard1", "shard2")
PUBLISHED = (*SHARDS, "warehouse", "kafka", "registry", "connect", "sink")
ORDERS = TableName("public", "orders")
PATIENCE = 600

pytestmark = pytest.mark.timeout(1500)


class Composed:
    """compose.yaml, running under a project name and on ports of its own."""

    def __init__(self) -> None:
        self.project = f"afflux-test-{secrets.token_hex(3)}"
        self.ports: dict[str, int] = {}
        for part in PUBLISHED:
            self.ports[part] = find_free(f"{self.project} {part}", self.ports.values())

    def __call__(self, *words: str) -> str:
        variables = {f"{part.upper()}_PORT": str(port) for part, port in self.ports.items()}
        environment = dict(os.environ) | variables | {"AFFLUX_PASSWORD": PASSWORD}
        command = ["docker", "compose", "--project-name", self.project, *words]
        done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
        return done.stdout

    @contextmanager
    def connections(self) -> Iterator[tuple[dict[str, psycopg.Connection], psycopg.Connection]]:
        def connect(part: str, user: str, database: str) -> psycopg.Connection:
            address = f"host=127.0.0.1 port={self.ports[part]} user={user} dbname={database}"
            return psycopg.connect(address, password=PASSWORD, autocommit=True)

        shards = {shard: connect(shard, "app", "app") for shard in SHARDS}
        warehouse = connect("warehouse", "afflux", "dw")
        try:
            yield shards, warehouse
        finally:
            for connection in (*shards.values(), warehouse):
                connection.close()


@pytest.fixture(scope="module")
def compose() -> Iterator[Composed]:
    composed = Composed()
    try:
        composed("up", "--detach")
        yield composed
    finally:
        composed("down", "--volumes", "--timeout", "5")


def within(check: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < give_up, what
        time.sleep(1)


def test_rows_arrive_while_the_sinks_container_is_killed_and_end_equal(compose: Composed) -> None:
    with compose.connections() as (shards, warehouse):

        def equal() -> bool:
            return compare(shards, warehouse, ORDERS).equal

        within(equal, "the rows that were there before")
        for number, shard in enumerate(shards.values()):
            shard.execute("insert into orders (item, price) select 'more ' || n, n from generate_series(1, 500) n")
            shard.execute("update orders set price = price + 0.01 where item like 'item 1%'")
            if number == 1:
                compose("kill", "--signal", "KILL", "sink")
            shard.execute("delete from orders where item like 'item 2%'")
        assert not equal()
        compose("up", "--detach", "sink")
        within(equal, "the rows changed while the sink was away")


def test_the_image_runs_as_nobody_special_on_a_file_system_that_it_cannot_write(compose: Composed) -> None:
    identity = compose("exec", "-T", "sink", "id", "-u")
    assert identity.strip() == "10001"
    script = "import pathlib; pathlib.Path('/opt/afflux/x').touch()"
    with pytest.raises(AssertionError, match="Read-only file system"):
        compose("exec", "-T", "sink", "python3", "-c", script)


def test_the_sinks_health_check_passes(compose: Composed) -> None:
    within(lambda: "healthy" in compose("ps", "sink", "--format", "{{.Health}}"), "the sink's health check")
