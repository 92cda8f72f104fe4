"""Kafka Connect in distributed mode: one worker, or several of one group."""

import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import requests

from afflux.stack import java
from afflux.stack.bundles import JDBC_SINK, Lock, load_lock
from afflux.stack.cache import maven_folder, unpacked
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.parts.kafka import LARGEST_MESSAGE
from afflux.stack.plugin import plugin_jar
from afflux.stack.ports import HOST
from afflux.stack.process import Launch
from afflux.stack.secure.users import CONNECT, MECHANISM, PASSWORDS
from afflux.stack.state import WEB_USER

GROUP = "afflux-connect"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
JAAS = """\
KafkaConnect {{
  org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required file="{logins}";
}};
"""
"""Whom a secured worker's REST interface lets in."""


class Connect(Part):
    """One worker of Kafka Connect."""

    after: ClassVar[Sequence[str]] = ("kafka", "registry")

    @property
    def url(self) -> str:
        """Where its REST API is."""
        return f"{self.scheme}://{HOST}:{self.port}"

    def prepare(self) -> None:
        """Write the worker's configuration."""
        self.folder.mkdir(exist_ok=True)
        settings = self._settings()
        if self.state.spec.secure:
            self.state.authority.ensure(self.name)
            login = f"{WEB_USER}={self.state.password('connect_api')}\n"
            self.state.write_secret(self.folder / "logins.properties", login)
            (self.folder / "jaas.conf").write_text(JAAS.format(logins=self.folder / "logins.properties"))
            keystore = self.state.authority.keystore(self.name, self.state.password("connect_api"))
            self.state.write_secret(self.folder / "keystore.p12", keystore)
            settings |= self._security()
        (self.folder / "connect.properties").write_text(java.properties(settings))

    def launch(self) -> Launch:
        """Return the worker's command. Its environment is the user's, for `${env:...}` in connector configs."""
        options = ["-Xms128m", java.logging_option(self.folder)]
        if self.state.spec.secure:
            options.append(f"-Djava.security.auth.login.config={self.folder / 'jaas.conf'}")
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        run = ["-cp", java.class_path(load_lock(), "connect"), main, str(self.folder / "connect.properties")]
        return Launch(java.command("512m", options, run), dict(os.environ) | java.UTF8, self.folder)

    def answer(self) -> None:
        """Ask for its health, which is good once it is a member of its group, and for the connectors."""
        for path in ("health", "connectors"):
            try:
                answer = requests.get(f"{self.url}/{path}", timeout=10, **self.state.web_login("connect"))
            except requests.RequestException as error:
                raise NotReady(f"/{path} does not answer yet") from error
            if answer.status_code != requests.codes.ok:
                raise NotReady(f"/{path} answers HTTP {answer.status_code}")

    def _settings(self) -> dict[str, str | int]:
        ports = self.state.spec.ports
        converter = {
            "": "io.apicurio.registry.utils.converter.AvroConverter",
            ".apicurio.registry.url": f"{self.scheme}://{HOST}:{ports['registry']}/apis/registry/v2",
            ".apicurio.registry.as-confluent": "true",
            ".apicurio.registry.use-id": "contentId",
            ".apicurio.registry.headers.enabled": "false",
            ".apicurio.registry.auto-register": "true",
        }
        return {
            "bootstrap.servers": f"{HOST}:{ports['kafka']}",
            "group.id": GROUP,
            "listeners": self.url,
            "rest.advertised.host.name": HOST,
            "rest.advertised.port": self.port,
            "rest.advertised.listener": self.scheme,
            "plugin.path": str(self.state.folder / "plugins"),
            "plugin.discovery": "service_load",
            **{f"key.converter{key}": value for key, value in converter.items()},
            **{f"value.converter{key}": value for key, value in converter.items()},
            "config.providers": "file,env",
            "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
            "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            "exactly.once.source.support": "enabled",
            "connector.client.config.override.policy": "All",
            "offset.flush.interval.ms": 2000,
            "scheduled.rebalance.max.delay.ms": 2000,
            "producer.max.request.size": LARGEST_MESSAGE,
            "consumer.max.partition.fetch.bytes": LARGEST_MESSAGE,
            "config.storage.topic": "connect-configs",
            "config.storage.replication.factor": 1,
            "offset.storage.topic": "connect-offsets",
            "offset.storage.replication.factor": 1,
            "offset.storage.partitions": 2,
            "status.storage.topic": "connect-status",
            "status.storage.replication.factor": 1,
            "status.storage.partitions": 2,
        }

    def _security(self) -> dict[str, str | int]:
        """TLS and a login on its own interface, and for all that it does itself in Kafka.

        Passwords are references into the secrets, which the worker resolves in its own configuration, too.
        """
        certificates = self.state.authority
        secret = f"${{file:{self.state.secrets_file}:{PASSWORDS[CONNECT]}_password}}"
        kafka = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": MECHANISM,
            "sasl.jaas.config": f'{SCRAM} required username="{CONNECT}" password="{secret}";',
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.trusted),
        }
        return {
            **{
                f"{client}{key}": value
                for client in ("", "producer.", "consumer.", "admin.")
                for key, value in kafka.items()
            },
            "listeners.https.ssl.keystore.type": "PKCS12",
            "listeners.https.ssl.keystore.location": str(self.folder / "keystore.p12"),
            "listeners.https.ssl.keystore.password": f"${{file:{self.state.secrets_file}:connect_api_password}}",
            "listeners.https.ssl.truststore.type": "PKCS12",
            "listeners.https.ssl.truststore.location": str(certificates.java_trusted),
            "rest.extension.classes": "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
        }


def assemble_plugins(folder: Path, *, jdbc_sink: bool = False) -> None:
    """Make the folder that the workers' `plugin.path` names: one folder a plugin, its jars as links into the cache.

    afflux's own plugin lies in Debezium's folder: a custom converter is looked for there.

    Args:
        folder: where to; what is there is replaced.
        jdbc_sink: whether Debezium's JDBC sink is among them.
    """
    lock = load_lock()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="plugins.part-") as making:
        debezium = Path(making) / "new" / "debezium-connector-postgres"
        converter = Path(making) / "new" / "apicurio-converter"
        for plugin in (debezium, converter):
            plugin.mkdir(parents=True)
        _link(debezium, [*unpacked(lock.bundles["debezium"][0]).glob("*.jar"), plugin_jar()])
        _link(converter, _jars(lock, "converter"))
        if jdbc_sink:
            sink = Path(making) / "new" / "debezium-connector-jdbc"
            sink.mkdir()
            _link(sink, list(unpacked(lock.bundles[JDBC_SINK][0]).glob("*.jar")))
        # The worker finds plugins by their service files alone, which is fast; this jar brings none.
        with zipfile.ZipFile(converter / "services.jar", "w") as services:
            name = "META-INF/services/org.apache.kafka.connect.storage.Converter"
            services.writestr(name, "io.apicurio.registry.utils.converter.AvroConverter\n")
        if folder.exists():
            folder.rename(Path(making) / "old")
        debezium.parent.rename(folder)


def _link(folder: Path, jars: Sequence[Path]) -> None:
    for jar in jars:
        (folder / jar.name).symlink_to(jar)


def _jars(lock: Lock, bundle: str) -> list[Path]:
    return [maven_folder() / file.path for file in lock.bundles[bundle]]
