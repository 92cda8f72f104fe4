"""What a single value of `topology.yaml` must be, beyond its type: one line a key in `CHECKS`."""

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from afflux.topology import regex
from afflux.topology.kinds import kind_complaint
from afflux.topology.model import Table
from afflux.topology.names import check_template
from afflux.topology.secrets import HOW, broken_reference, is_reference, is_secret_key, literal_in_url
from afflux.topology.tables import is_exact
from afflux.topology.tree import Mapping, Problem, general, line_of, spelled, walk

Complaint = str | None
"""What is wrong, to be read behind the key's path; None when all is well. It never quotes a secret."""


def find(tree: Mapping) -> list[Problem]:
    """Give a problem for each text that is not what its key wants."""
    problems: list[Problem] = []
    for path, value in walk(tree):
        if not isinstance(value, str):
            continue
        owner = general(path[:-1])
        key = str(path[-1])
        complaints = [check(value) for check in CHECKS.get(general(path), ())]
        if owner in MAPS:
            complaints = [check(key, value) for check in MAPS[owner]]
        problems += [Problem(path, line_of(tree, path), f"{spelled(path)} {text}") for text in complaints if text]
    return problems


def _filled(text: str) -> Complaint:
    return None if text.strip() else "is empty"


def _reference(text: str) -> Complaint:
    broken = broken_reference(text)
    return f"holds {broken}, which is no reference; {HOW}" if broken else None


def _secret(text: str) -> Complaint:
    return None if is_reference(text) else f"is written in clear; {HOW}"


def _secret_property(key: str, text: str) -> Complaint:
    if is_secret_key(key) and text and "${" not in text:
        return f"is a secret written in clear; {HOW}"
    return None


def _reference_property(_: str, text: str) -> Complaint:
    return _reference(text)


_SECRET_OPTION: Final = re.compile(r"secret|token|sas|password|customer_key|_key$", re.IGNORECASE)
"""Options of object stores whose values are secrets, by delta-rs's names."""


def _secret_option(key: str, text: str) -> Complaint:
    if _SECRET_OPTION.search(key) and text and "${" not in text:
        return f"is a secret written in clear; {HOW}"
    return None


def _no_secret_in_url(text: str) -> Complaint:
    if literal_in_url(text):
        return "has a password in clear; write it as a reference, such as ://user:${env:NAME}@host"
    return None


def _http(text: str) -> Complaint:
    if text.startswith("${") or re.match(r"https?://[^/?#\s]", text):
        return None
    return "must be a URL that begins with http:// or https://"


def _each(check: Callable[[str], Complaint], text: str) -> Complaint:
    """Check what commas separate, one by one."""
    return next((complaint for part in text.split(",") if (complaint := check(part.strip()))), None)


def _postgresql(text: str) -> Complaint:
    if text.startswith("${") or re.match(r"postgres(ql)?://\S", text):
        return None
    return "must be a URL such as postgresql://user:${env:NAME}@host:5432/database"


def _database(text: str) -> Complaint:
    """Which databases a sink may have is a matter of its type: see the rules."""
    if text.startswith("${") or re.match(r"[a-z][a-z0-9+_]*://\S", text):
        return None
    return "must be a URL such as postgresql://user:${env:NAME}@host:5432/database"


def _lake_path(text: str) -> Complaint:
    """Polars does not find files below a path with blanks or umlauts (observed on 2.1)."""
    if "${" in text or re.fullmatch(r"(/|[a-z][a-z0-9]+://)[A-Za-z0-9_./@:+~=-]+", text):
        return None
    if "://" not in text and not text.startswith("/"):
        return "must be an absolute path, or an address such as s3://bucket/lake"
    return "may hold ASCII letters, digits and / . _ - + ~ = @ : alone, for not every reader of a lake finds others"


def _servers(text: str) -> Complaint:
    if "${" in text:
        return None
    one = re.compile(r"([A-Za-z_]+://)?(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):[0-9]{1,5}")
    if all(one.fullmatch(server.strip()) for server in text.split(",")):
        return None
    return "must be brokers as host:port, separated by commas"


def _host(text: str) -> Complaint:
    if "${" in text or re.fullmatch(r"[^\s:/@,]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", text):
        return None
    if re.fullmatch(r"[^\s:/@,]+:[0-9]+", text):
        return "holds a port; that goes into the key `port`"
    return "must be one host name or address, without user, port or path"


def _source_table(text: str) -> Complaint:
    if is_exact(Table(source=text)):
        named = len(text.split(".")) > 1 and all(part.strip() for part in text.split("."))
        return None if named else "must be schema.table, such as public.orders, or a regular expression"
    return _regex(text)


def _target_table(text: str) -> Complaint:
    parts = text.split(".")
    return None if len(parts) == 2 and all(p.strip() for p in parts) else "must be schema.table, such as public.orders"


def _regex(text: str) -> Complaint:
    try:
        regex.compiled(text)
    except ValueError as error:
        return f"is no regular expression that Java and afflux both know: {error}"
    return None


def _template(text: str) -> Complaint:
    try:
        check_template(text)
    except ValueError as error:
        return f"{text!r}: {error}"
    return None


_HTTP: Final = (_filled, _reference, _http, _no_secret_in_url)
_WORKERS: Final = tuple(partial(_each, check) for check in _HTTP)
_POSTGRESQL: Final = (_filled, _reference, _postgresql, _no_secret_in_url)

CHECKS: Final[dict[str, tuple[Callable[[str], Complaint], ...]]] = {
    "kafka.bootstrap_servers": (_filled, _reference, _servers),
    "registry.url": _HTTP,
    "connect.url": _WORKERS,
    "connect.registry_url": _HTTP,
    "source.kind": (kind_complaint,),
    "source.database": (_filled, _reference),
    "source.user": (_filled, _reference),
    "source.password": (_reference, _secret),
    "source.shards[].host": (_filled, _reference, _host),
    "source.shards[].database": (_filled, _reference),
    "source.shards.query.url": _POSTGRESQL,
    "source.shards.query.sql": (_filled,),
    "source.names.connector": (_template,),
    "source.names.slot": (_template,),
    "source.names.publication": (_template,),
    "source.names.topic_prefix": (_template,),
    "tables[].source": (_source_table,),
    "tables[].target": (_target_table,),
    "transforms[].regex": (_filled, _regex),
    "sinks[].url": (_filled, _reference, _database, _no_secret_in_url),
    "sinks[].path": (_filled, _reference, _lake_path, _no_secret_in_url),
    "sinks[].tables[].target": (_filled, _regex),
    "masking.key": (_reference, _secret),
    "monitor.alerts.webhooks[].url": _HTTP,
    "monitor.page.hosts[]": (_filled, _reference, _host),
}

MAPS: Final[dict[str, tuple[Callable[[str, str], Complaint], ...]]] = {
    "kafka.properties": (_reference_property, _secret_property),
    "registry.properties": (_reference_property, _secret_property),
    "connect.properties": (_reference_property, _secret_property),
    "monitor.alerts.webhooks[].headers": (_reference_property, _secret_property),
    "monitor.page.tokens": (_reference_property, lambda _, text: _secret(text)),
    "sinks[].kafka": (_reference_property, _secret_property),
    "sinks[].storage_options": (_reference_property, _secret_option),
    "source.config": (_secret_property,),  # Connect's workers may know more providers than afflux
}
"""The mappings whose keys are properties of others."""
