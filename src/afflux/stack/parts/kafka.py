"""The broker: Kafka in KRaft mode, one node that is its own controller."""

import contextlib
import shutil
import subprocess

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the library re-exports without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from afflux.errors import StackError
from afflux.stack import java
from afflux.stack.bundles import load_lock
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.ports import HOST, is_free
from afflux.stack.process import Launch
from afflux.stack.secure.users import MECHANISM, PASSWORDS, make_users

LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes; a row with large columns, and its old version, are one message."""

_LISTENERS = ("CLIENTS", "INTERNAL", "CONTROLLER")
"""Those of a secured broker."""


class Kafka(Part):
    """The one broker."""

    @property
    def ports(self) -> list[str]:
        """The broker's listener, its controller's, and on a secured stack the one that it speaks to itself by."""
        internal = [f"{self.name}-internal"] if self.state.spec.secure else []
        return [self.name, f"{self.name}-controller", *internal]

    def prepare(self) -> None:
        """Write the configuration, and format the log folder if there is none."""
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "server.properties"
        settings = self._settings()
        if self.state.spec.secure:
            self.state.authority.ensure(self.name)
            settings |= self._security()
        config.write_text(java.properties(settings))
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
        client = self.admin()
        try:
            if self.state.spec.secure:
                make_users(client, {user: self.state.password(whose) for user, whose in PASSWORDS.items()}, 10)
            if not client.list_topics(timeout=5).brokers:
                raise NotReady("the broker does not know itself yet")
        except KafkaException as error:
            raise NotReady(str(error)) from error
        finally:
            with contextlib.suppress(KafkaException):
                client.poll(0)

    def admin(self) -> AdminClient:
        """Return a client that may do anything; on a secured stack it shows the broker's own certificate."""
        settings: dict[str, str | int | float | bool] = {"bootstrap.servers": f"{HOST}:{self.port}", "log_level": 0}
        if self.state.spec.secure:
            certificates = self.state.authority
            settings |= {
                "bootstrap.servers": f"{HOST}:{self.state.spec.ports[f'{self.name}-internal']}",
                "security.protocol": "SSL",
                "ssl.ca.location": str(certificates.trusted),
                "ssl.certificate.location": str(certificates.certificate(self.name)),
                "ssl.key.location": str(certificates.key(self.name)),
            }
        return AdminClient(settings)

    def take_certificate(self) -> bool:
        """Tell the broker to look at its files again: any change of its settings makes it, one to the same value, too."""
        broker = ConfigResource(ConfigResource.Type.BROKER, "1")
        for listener in _LISTENERS:
            name = f"listener.name.{listener.lower()}.ssl.keystore.location"
            value = str(self.state.authority.both(self.name))
            broker.add_incremental_config(ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET))
        client = self.admin()  # it has to live until the answer is there
        for done in client.incremental_alter_configs([broker], request_timeout=30).values():
            done.result()
        return True

    def _security(self) -> dict[str, str | int]:
        """Clients come with SCRAM; the broker comes to itself, and to its controller, with its own certificate."""
        certificates, ports = self.state.authority, self.state.spec.ports
        controller, internal = ports[f"{self.name}-controller"], ports[f"{self.name}-internal"]
        clients = f"CLIENTS://{HOST}:{self.port},INTERNAL://{HOST}:{internal}"
        return {
            "listeners": f"{clients},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": clients,
            "inter.broker.listener.name": "INTERNAL",
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
            "listener.name.internal.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "listener.name.clients.sasl.enabled.mechanisms": MECHANISM,
            f"listener.name.clients.{MECHANISM.lower()}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.both(self.name)),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.trusted),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:CN={self.name}",
        }

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
