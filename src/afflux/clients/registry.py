"""The schema registry, through the Confluent API that Apicurio Registry and others speak."""

import json
from dataclasses import dataclass
from typing import Any

from afflux.clients.rest import Rest, secured
from afflux.errors import RegistryError


@dataclass(frozen=True)
class Version:
    """One version of a subject: the schema's id in messages, the version's number, and the Avro schema as JSON."""

    id: int
    version: int
    schema: dict[str, Any]


class Registry:
    """A schema registry.

    Args:
        url: the address of its Confluent API, such as `http://127.0.0.1:8081/apis/ccompat/v7`.
        properties: login and TLS, see `secured`.
    """

    def __init__(self, url: str, properties: dict[str, str] | None = None) -> None:
        self._rest = Rest(
            url,
            name="schema registry",
            error=RegistryError,
            hint="Is the registry running, and is registry.url of the topology the address of its Confluent API?",
            **secured(properties or {}),
        )

    @property
    def url(self) -> str:
        """Its address, without user and password."""
        return self._rest.url

    def subjects(self, *, deleted: bool = False) -> set[str]:
        """Return the names of all subjects, on demand also of those that are deleted softly."""
        return set(self._rest.get("subjects", **({"deleted": "true"} if deleted else {})))

    def schema(self, number: int) -> dict[str, Any] | None:
        """Return the registered Avro schema with an id, as JSON; None where there is none with this id."""
        answer = self._rest.call("GET", "schemas", "ids", str(number), missing_ok=True)
        return None if answer is None else json.loads(answer["schema"])

    def latest_schema(self, subject: str) -> dict[str, Any] | None:
        """Return the newest schema of a subject as JSON; None for a subject that is not there."""
        latest = self.latest(subject)
        return None if latest is None else latest.schema

    def latest(self, subject: str) -> Version | None:
        """Return the newest version of a subject; None for a subject that is not there."""
        answer = self._rest.call("GET", "subjects", subject, "versions", "latest", missing_ok=True)
        return None if answer is None else Version(answer["id"], answer["version"], json.loads(answer["schema"]))

    def compatibility(self, subject: str | None = None) -> str:
        """Return the compatibility level that binds a subject: its own, else that of the whole registry.

        Args:
            subject: its name, of one that need not exist; None for the level of the whole registry.

        Returns:
            `NONE`, `BACKWARD`, ...
        """
        own = None if subject is None else self.bound_to(subject)
        return own or str(self._rest.get("config")["compatibilityLevel"])

    def bound_to(self, subject: str) -> str | None:
        """Return the level that binds a subject; None where nothing but the whole registry's does."""
        # Without the parameter Apicurio answers NONE for a subject that the registry's own level binds.
        answer = self._rest.call("GET", "config", subject, query={"defaultToGlobal": "true"}, missing_ok=True)
        return None if answer is None else str(answer["compatibilityLevel"])

    def set_compatibility(self, subject: str, level: str) -> None:
        """Set the compatibility level of a subject, before or after its first schema comes."""
        self._rest.put("config", subject, body={"compatibility": level})

    def delete(self, subject: str) -> None:
        """Delete a subject softly, with all its versions; one that is not there is fine. Its ids are still answered."""
        self._rest.delete("subjects", subject)

    def delete_for_good(self, subject: str) -> None:
        """Delete a subject for good that is deleted softly; one that is not there is fine."""
        self._rest.call("DELETE", "subjects", subject, query={"permanent": "true"}, missing_ok=True)
