"""Secrets by reference: `${env:NAME}` and `${file:/path:key}`, as Kafka Connect's config providers write them.

A reference stays a reference in the model, in plans and in connector configs. It becomes its value at
the moment of connecting, in the process that connects, and goes no further.
"""

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from afflux.errors import TopologyError
from afflux.topology import properties

REFERENCE: Final = re.compile(r"\$\{(?P<provider>[^}:]*):(?:(?P<path>[^}:]*):)?(?P<key>[^}]*)\}")
"""Kafka's own pattern: provider, a path up to the next colon, a key."""

HOW: Final = "write a reference such as ${env:NAME} or ${file:/path/to/secrets.properties:key}"

_REFERENCES: Final = re.compile(r"(?:\$\{[^}]*\})*")
_SECRET_KEY: Final = re.compile(
    r"(password|passphrase|secret|token|user[._-]?info|jaas[._-]config|key[._-]pem)$", re.IGNORECASE
)
_SCHEME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_HOSTS: Final = re.compile(r"(?:\[[^\]]*\]|[^:,]*)(?::[0-9]*)?(?:,[^:,]*(?::[0-9]*)?)*")
_PARAMETER: Final = re.compile(r"(?P<key>[?&][^=&#]*)=(?P<value>[^&#]*)")


def resolve(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Put the values in the place of the references, for use at the moment of connecting.

    In a URL's user, password and parameters a value is percent-encoded, so that a reference means the same
    in `source.password` and in `postgresql://user:${env:NAME}@host/db`, whatever characters it holds.

    Args:
        text: with any number of references, also none.
        environ: for `${env:NAME}`.

    Raises:
        TopologyError: a reference leads nowhere; the message names the reference, never a value.
    """
    encoded = _encoded_spans(text)

    def value(found: re.Match[str]) -> str:
        plain = _value(found, environ)
        inside = any(start <= found.start() < end for start, end in encoded)
        return quote(plain, safe="") if inside else plain

    return REFERENCE.sub(value, text)


def redact(url: str) -> str:
    """Show a URL, resolved or not, without its password.

    What stands before the last `@` is taken for user and password, however odd the password; parameters
    named like secrets lose their values.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        return url
    at = _masked(url).rfind("@")
    colon = _masked(url).find(":", scheme.end(), max(at, 0))
    shown = url[: colon + 1] + "***" + url[at:] if colon >= 0 else url
    return _PARAMETER.sub(_without_value, shown)


def is_secret_key(key: str) -> bool:
    """Tell whether a property's name, such as `sasl.password`, says that its value is a secret."""
    return _SECRET_KEY.search(key) is not None


def is_reference(text: str) -> bool:
    """Tell whether a text is nothing but references (or empty, which keeps no secret)."""
    return _REFERENCES.fullmatch(text) is not None


def literal_in_url(url: str) -> bool:
    """Tell whether a URL holds a password in clear, before the host or as a parameter."""
    start, end = _user_info(url)
    colon = _masked(url).find(":", start, end)
    in_parameter = any(
        is_secret_key(found["key"]) and not is_reference(found["value"]) for found in _PARAMETER.finditer(url, end)
    )
    return in_parameter or (colon >= 0 and not is_reference(url[colon + 1 : end]))


def broken_reference(text: str) -> str | None:
    """Give the first piece of a text that looks like a reference and is none, or None."""
    for found in re.finditer(r"\$\{[^}]*\}?", text):
        reference = REFERENCE.fullmatch(found[0])
        if reference is None or not reference["key"]:
            return found[0]
        if reference["provider"] == "env" and reference["path"] is None:
            continue
        if reference["provider"] == "file" and reference["path"]:
            continue
        return found[0]
    return None


def _masked(text: str) -> str:
    """Hide the references' own colons and such from a search for a URL's parts; lengths stay."""
    return REFERENCE.sub(lambda found: "x" * len(found[0]), text)


def _user_info(url: str) -> tuple[int, int]:
    """Give where `user:password` begins and ends in a URL; equal where there is none.

    A password in clear may hold a `/` or `?` that nobody encoded: what looks like a host without a valid
    port, with an `@` further on, is one.
    """
    masked = _masked(url)
    scheme = _SCHEME.match(masked)
    if scheme is None:
        return 0, 0
    start = scheme.end()
    host = re.compile(r"[^/?#]*").match(masked, start)
    end = masked.rfind("@", start, host.end() if host else start)
    if end < 0 and host and not _HOSTS.fullmatch(host[0]):
        end = masked.rfind("@", start)
    return start, max(end, start)


def _encoded_spans(url: str) -> list[tuple[int, int]]:
    """Give where in a URL a value has to be percent-encoded: before the host, and as a parameter's value."""
    if _SCHEME.match(url) is None:
        return []
    start, end = _user_info(url)
    return [(start, end), *(found.span("value") for found in _PARAMETER.finditer(url, end))]


def _without_value(parameter: re.Match[str]) -> str:
    return f"{parameter['key']}=***" if is_secret_key(parameter["key"]) else parameter[0]


def _value(found: re.Match[str], environ: Mapping[str, str]) -> str:
    reference, provider, path, key = found[0], found["provider"], found["path"], found["key"]
    if provider == "env" and path is None:
        if key not in environ:
            raise TopologyError(
                f"{reference} leads nowhere: the environment has no variable {key}",
                hint=f"set it where afflux runs, for instance `export {key}=...`",
            )
        return environ[key]
    if provider == "file" and path:
        values = _file(reference, Path(path))
        if key not in values:
            raise TopologyError(
                f"{reference} leads nowhere: {path} has no key {key!r}",
                hint=f"add a line `{key}=...`; the file has the form of Java properties",
            )
        return values[key]
    raise TopologyError(f"{reference} is no reference that afflux can follow", hint=HOW)


def _file(reference: str, path: Path) -> dict[str, str]:
    fail = partial(TopologyError, hint=f"is {path} there, readable, and in the form of Java properties (key=value)?")
    try:
        return properties.parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise fail(f"{reference} leads nowhere: {path} is not UTF-8 text") from None
    except OSError as error:
        raise fail(f"{reference} leads nowhere: {path}: {error.strerror}") from None
    except ValueError as error:
        raise fail(f"{reference} leads nowhere: {path}: {error}") from None
