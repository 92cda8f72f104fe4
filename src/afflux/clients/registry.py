"""The schema registry, through the Confluent API that Apicurio Registry and others speak."""

import json
from typing import Any

from afflux.clients.rest import Rest
from afflux.errors import RegistryError

_PROPERTIES = {
    "basic.auth.user.info",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
}


class Registry:
    """A schema registry.

    Args:
        url: the address of its Confluent API, such as `http://127.0.0.1:8081/apis/ccompat/v7`.
        properties: `basic.auth.user.info`, `ssl.ca.location`, `ssl.certificate.location` and
            `ssl.key.location`, named as in Confluent's clients, secrets resolved; others are ignored.
    """

    def __init__(self, url: str, properties: dict[str, str] | None = None) -> None:
        given = {key: value for key, value in (properties or {}).items() if key in _PROPERTIES}
        user, _, password = given.get("basic.auth.user.info", "").partition(":")
        certificate, key = given.get("ssl.certificate.location"), given.get("ssl.key.location")
        self._rest = Rest(
            url,
            name="schema registry",
            error=RegistryError,
            hint="Is the registry running, and is registry.url of the topology the address of its Confluent API?",
            auth=(user, password) if user else None,
            verify=given.get("ssl.ca.location", True),
            cert=(certificate, key) if certificate and key else None,
        )
        self.url = self._rest.url

    def subjects(self) -> set[str]:
        """Return the names of all subjects."""
        return set(self._rest.get("subjects"))

    def schema(self, number: int) -> dict[str, Any] | None:
        """Return the registered Avro schema with an id, as JSON; None where there is none with this id."""
        answer = self._rest.call("GET", "schemas", "ids", str(number), missing_ok=True)
        return None if answer is None else json.loads(answer["schema"])

    def latest_schema(self, subject: str) -> dict[str, Any] | None:
        """Return the newest schema of a subject as JSON; None for a subject that is not there."""
        answer = self._rest.call("GET", "subjects", subject, "versions", "latest", missing_ok=True)
        return None if answer is None else json.loads(answer["schema"])

    def compatibility(self, subject: str | None = None) -> str:
        """Return the compatibility level that binds a subject: its own, else that of the whole registry.

        Args:
            subject: its name, of one that need not exist; None for the level of the whole registry.

        Returns:
            `NONE`, `BACKWARD`, ...
        """
        answer: dict[str, Any] | None = None
        if subject is not None:
            # Without the parameter Apicurio answers NONE for a subject that the registry's own level binds.
            query = {"defaultToGlobal": "true"}
            answer = self._rest.call("GET", "config", subject, query=query, missing_ok=True)
        return str((answer or self._rest.get("config"))["compatibilityLevel"])

    def set_compatibility(self, subject: str, level: str) -> None:
        """Set the compatibility level of a subject, before or after its first schema comes."""
        self._rest.put("config", subject, body={"compatibility": level})

    def delete(self, subject: str) -> None:
        """Remove a subject with all its versions; one that is not there is fine."""
        self._rest.delete("subjects", subject)
