"""Apicurio Registry, on its PostgreSQL storage: the one that keeps its ids through a `kill -9`."""

from collections.abc import Sequence
from typing import ClassVar

import requests

from afflux.stack import java
from afflux.stack.bundles import load_lock
from afflux.stack.cache import unpacked
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.ports import HOST
from afflux.stack.process import Launch
from afflux.stack.state import WEB_USER

_SECURED = "secured.properties"


class Registry(Part):
    """The schema registry."""

    after: ClassVar[Sequence[str]] = ("registry-db",)

    @property
    def ports(self) -> list[str]:
        """The API's, and one for the management interface, which can't be turned off."""
        return [self.name, f"{self.name}-management"]

    @property
    def url(self) -> str:
        """Where its Confluent-compatible API is."""
        return f"{self.scheme}://{HOST}:{self.port}/apis/ccompat/v7"

    def prepare(self) -> None:
        """Make the working folder, and for a secured stack the file with what asks for TLS and a login."""
        self.folder.mkdir(exist_ok=True)
        if self.state.spec.secure:
            self.state.authority.ensure(self.name)
            self.state.write_secret(self.folder / _SECURED, java.properties(self._security()))

    def launch(self) -> Launch:
        """Return the registry's command; its password travels in the environment, which only its owner reads."""
        storage = self.state.spec.ports["registry-db"]
        trust = f"?sslmode=verify-full&sslrootcert={self.state.authority.trusted}" if self.state.spec.secure else ""
        environment = {
            "QUARKUS_HTTP_HOST": HOST,
            "QUARKUS_HTTP_PORT": str(self.port),
            "QUARKUS_MANAGEMENT_HOST": HOST,
            "QUARKUS_MANAGEMENT_PORT": str(self.state.spec.ports[f"{self.name}-management"]),
            "QUARKUS_LOG_CONSOLE_COLOR": "false",
            "QUARKUS_LOG_LEVEL": "INFO",
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "postgresql",
            "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://{HOST}:{storage}/registry{trust}",
            "APICURIO_DATASOURCE_USERNAME": "registry",
            "APICURIO_DATASOURCE_PASSWORD": self.state.password("registry"),
            "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MAX_SIZE": "10",
        }
        if self.state.spec.secure:
            environment["QUARKUS_CONFIG_LOCATIONS"] = str(self.folder / _SECURED)
        options = ["-Xms48m", "-Xss512k", "-XX:TieredStopAtLevel=1"]  # asked once a schema: starting fast is worth more
        jar = unpacked(load_lock().bundles["registry"][0]) / "quarkus-run.jar"
        command = java.command("160m", options, ["-jar", str(jar)])
        return Launch(command, java.environment() | environment, self.folder)

    def answer(self) -> None:
        """Ask for the subjects, which are read from the storage."""
        try:
            answer = requests.get(f"{self.url}/subjects", timeout=5, **self.state.web_login("registry"))
        except requests.RequestException as error:
            raise NotReady("it does not answer yet") from error
        if answer.status_code != requests.codes.ok:
            raise NotReady(f"it answers HTTP {answer.status_code}")

    def take_certificate(self) -> bool:
        """It looks at its certificate every 30 s, the shortest time that it takes."""
        return True

    def _security(self) -> dict[str, str | int]:
        """Its own ways: TLS, and Quarkus' embedded users before everything that is not a page."""
        certificates = self.state.authority
        return {
            "quarkus.http.insecure-requests": "disabled",
            "quarkus.http.ssl-port": self.port,
            "quarkus.http.ssl.certificate.files": str(certificates.certificate(self.name)),
            "quarkus.http.ssl.certificate.key-files": str(certificates.key(self.name)),
            "quarkus.http.ssl.certificate.reload-period": "30S",
            "quarkus.http.auth.basic": "true",  # Apicurio's own chain of mechanisms asks for it
            "quarkus.http.auth.permission.api.paths": "/apis/*",
            "quarkus.http.auth.permission.api.policy": "authenticated",
            "quarkus.security.users.embedded.plain-text": "true",
            f"quarkus.security.users.embedded.users.{WEB_USER}": self.state.password("registry_api"),
            f"quarkus.security.users.embedded.roles.{WEB_USER}": "user",
        }
