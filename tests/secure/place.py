"""A secured stack with one table under way, and an operator who does what people do."""

import contextlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import yaml
from confluent_kafka.admin import AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from afflux.cli import app
from afflux.control import apply_topology
from afflux.demo.grants import grant_sink, grant_source
from afflux.errors import AffluxError
from afflux.stack import Stack
from afflux.stack.parts.kafka import Kafka
from afflux.stack.secure.users import SINK, bindings
from afflux.topology.load import load_resolved
from chaos.waiting import wait_for

PATIENCE = 180.0
"""Seconds for what takes a few when the machine is busy."""


@contextlib.contextmanager
def secured(folder: Path, kept: str | None = None, *, caught_up: bool = True) -> Iterator["Place"]:
    """Start a secured stack of one shard, with a table under way; both are gone afterwards, but for a kept one.

    Args:
        folder: for the stack and topologies.
        kept: the state folder of a stack that stays.
        caught_up: whether the sink has run.
    """
    stack = Stack(Path(kept) if kept else folder / "stack")
    try:
        stack.up(1, secure=True)
        made = Place(stack, folder)
        made.begin()
        if caught_up:
            made.catch_up()
        yield made
    finally:
        if not kept:
            stack.down(purge=True)


class Place:
    """The stack, its topology, and the table `public.people`.

    Args:
        stack: a secured one that runs, of one shard.
        folder: for topologies that differ in something.
    """

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.addresses = stack.addresses()
        self.topology = self.addresses.topology

    def begin(self) -> None:
        """Make the table, give the roles what `afflux grants` says, and start the connector."""
        self.source("create table if not exists people (id int generated always as identity primary key, name text)")
        self.source("insert into people (name) select 'n' || g from generate_series(1, 50) g")
        grant_source(self.addresses, "shard0")
        grant_sink(self.addresses)
        report = apply_topology(load_resolved(self.topology), wait=PATIENCE)
        assert report.ok, report

    def source(self, statement: str, url: str = "") -> list[tuple[Any, ...]]:
        """Do a statement on the shard, as the application's owner."""
        with psycopg.connect(url or self.addresses.shards[0].admin_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def catch_up(self) -> None:
        """Run the sink until every row of the shard is in the target, as it is."""

        def equal() -> bool:
            self.operate("run", "--until-caught-up", "--log-level", "error")
            return self.operate("verify", codes={0, 3}) == 0

        wait_for(equal, PATIENCE, "the target equal to the source", every=0.5)

    @contextlib.contextmanager
    def without_acl(self) -> Iterator[None]:
        """Take the sink's right to read the shards' topics away for a while."""
        kafka = self.stack.part("kafka")
        assert isinstance(kafka, Kafka)
        admin, user = kafka.admin(), f"User:{SINK}"
        pattern, right = ResourcePatternType.PREFIXED, (AclOperation.READ, AclPermissionType.ALLOW)
        theirs = AclBindingFilter(ResourceType.TOPIC, "shard", pattern, user, None, *right)
        for gone in admin.delete_acls([theirs], request_timeout=30).values():
            assert gone.result()
        try:
            yield
        finally:
            for made in admin.create_acls(list(bindings(SINK)), request_timeout=30).values():
                made.result()

    def sink_says(self, word: str) -> str:
        """Run the sink until it says a word, or for as long as one is patient; return what it has said."""
        command = [sys.executable, "-m", "afflux", "run", "--until-caught-up", "-t", str(self.topology)]
        said = ""
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as sink:
            assert sink.stdout is not None
            timer = threading.Timer(PATIENCE, sink.kill)
            timer.start()
            for line in sink.stdout:
                said += line
                if word in line:
                    break
            timer.cancel()
            sink.kill()
        return said

    def differing(self, change: Callable[[Any], None]) -> Path:
        """Write the topology with a change in it."""
        declared = yaml.safe_load(self.topology.read_text())
        change(declared)
        path = self.folder / "differing.yaml"
        path.write_text(yaml.safe_dump(declared))
        return path

    def operate(self, *arguments: str, topology: Path | None = None, codes: Any = frozenset({0})) -> int:
        """Do a command of afflux in a process of its own, and return its exit code."""
        done = self.process(*arguments, topology=topology)
        assert done.returncode in codes, done.stdout + done.stderr
        return done.returncode

    def process(self, *arguments: str, topology: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Do a command of afflux in a process of its own."""
        command = [sys.executable, "-m", "afflux", *arguments, "-t", str(topology or self.topology)]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=dict(os.environ), timeout=2 * PATIENCE
        )

    def said(self, *arguments: str, topology: Path | None = None) -> str:
        """Do a command that has to fail, in a process of its own, and return all that it says."""
        done = self.process(*arguments, topology=topology)
        assert done.returncode not in {0, 3}, done.stdout + done.stderr
        return done.stdout + done.stderr

    def refusal(self, *arguments: str, topology: Path | None = None) -> AffluxError:
        """Do a command that has to fail, and return the error that it ends with."""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            try:
                app(
                    args=[*arguments, "-t", str(topology or self.topology)],
                    prog_name="afflux",
                    standalone_mode=False,
                )
            except AffluxError as error:
                return error
        raise AssertionError(f"{arguments} did not fail: {out.getvalue()}")
