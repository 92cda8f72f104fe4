"""The broker: Kafka in KRaft mode, one node that is its own controller."""

import contextlib
import shutil
import subprocess

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from afflux.errors import StackError
from afflux.stack import java
from afflux.stack.bundles import load_lock
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.ports import HOST, is_free
from afflux.stack.process import Launch

LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes; a row with large columns, and its old version, are one message."""


class Kafka(Part):
    """The one broker."""

    @property
    def ports(self) -> list[str]:
        """The broker's listener, and its controller's."""
        return [self.name, f"{self.name}-controller"]

    def prepare(self) -> None:
        """Write the configuration, and format the log folder if there is none."""
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "server.properties"
        config.write_text(java.properties(self._settings()))
        data = self.folder / "data"
        if (data / "bootstrap.checkpoint").exists() and (data / "meta.properties").exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        options = ["-XX:TieredStopAtLevel=1", java.logging_option(self.folder)]
        tool = ["-cp", java.class_path(load_lock(), "broker"), "kafka.tools.StorageTool", "format"]
        arguments = ["--cluster-id", self.state.spec.cluster, "--config", str(config)]
        command = java.command("64m", options, [*tool, *arguments])
        done = subprocess.run(
            command, env=java.environment(), cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            shutil.rmtree(data, ignore_errors=True)
            raise StackError(f"{self.name}: the log folder could not be formatted: {done.stderr.strip()[-500:]}")

    def launch(self) -> Launch:
        """Return the broker's command."""
        options = ["-Xms64m", java.logging_option(self.folder)]
        run = ["-cp", java.class_path(load_lock(), "broker"), "kafka.Kafka", str(self.folder / "server.properties")]
        return Launch(java.command("320m", options, run), java.environment(), self.folder)

    def answer(self) -> None:
        """Ask the broker for its topics and for itself."""
        if is_free(self.port):  # a client that finds no broker says so on standard error, whatever it is told
            raise NotReady("it does not listen yet")
        client = AdminClient({"bootstrap.servers": f"{HOST}:{self.port}", "log_level": 0})
        try:
            if not client.list_topics(timeout=5).brokers:
                raise NotReady("the broker does not know itself yet")
        except KafkaException as error:
            raise NotReady(str(error)) from error
        finally:
            with contextlib.suppress(KafkaException):
                client.poll(0)

    def _settings(self) -> dict[str, str | int]:
        controller = self.state.spec.ports[f"{self.name}-controller"]
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
            "num.partitions": 1,
            "auto.create.topics.enable": "false",
            "message.max.bytes": LARGEST_MESSAGE,
            "replica.fetch.max.bytes": LARGEST_MESSAGE,
            # One node holds everything once.
            "default.replication.factor": 1,
            "min.insync.replicas": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            # A broker killed and started again is let in only when its last session has ended: 9 s by default.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "group.initial.rebalance.delay.ms": 0,
            # The default buffer of 128 MiB is a third of what the broker needs.
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
        }
