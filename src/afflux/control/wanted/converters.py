"""What writes a connector's records as Avro: one line here, and one template in `connectors/`, a choice (pure).

Both converters of the market write what the sink reads: a zero byte, the schema's id in four bytes, the value in Avro.
"""

import json
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from afflux.assets import asset
from afflux.errors import UsageError
from afflux.topology.model import Topology


@dataclass(frozen=True)
class Converter:
    """A choice of `connect.converter`.

    Attributes:
        words: what it is called.
        template: the file of its settings, each meant for the key and for the value; empty where it has none.
        confluent: whether it speaks to the registry's Confluent API, and not to Apicurio's own.
    """

    words: str
    template: str
    confluent: bool = False


CONVERTERS: Final = {
    "apicurio": Converter("Apicurio's Avro converter", "converter-apicurio.json"),
    "confluent": Converter("Confluent's Avro converter", "converter-confluent.json", confluent=True),
    "worker": Converter("what Connect's workers are set to", ""),
}
"""`connect.converter` -> what it stands for."""


@cache
def converting(choice: str) -> dict[str, str]:
    """Return the settings of a converter, of the key's and of the value's, not filled in."""
    template = CONVERTERS[choice].template
    if not template:
        return {}
    each: dict[str, str] = json.loads(asset("connectors", template).read_text())
    return {f"{part}.{key}": value for part in ("key", "value") for key, value in each.items()}


def needed(choice: str) -> dict[str, str]:
    """Return the class that Connect needs for a converter -> its name in words; none where the workers have theirs."""
    found = converting(choice).get("value.converter")
    return {found: CONVERTERS[choice].words} if found else {}


def registry_url(topology: Topology) -> str:
    """Return the address at which the connectors' converter finds the registry, without a login.

    Raises:
        UsageError: the topology does not tell it.
    """
    if topology.connect.registry_url:
        return topology.connect.registry_url
    parts = urlsplit(topology.registry.url)
    netloc = parts.netloc.rpartition("@")[2]
    if CONVERTERS[topology.connect.converter].confluent:
        return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
    base, found, _ = parts.path.partition("/apis/ccompat")
    if not found and topology.connect.converter == "apicurio":
        raise UsageError(
            f"registry.url {topology.registry.url} does not tell where the connectors' converter finds the registry",
            hint="Set connect.registry_url, such as http://registry:8080/apis/registry/v2; or choose another converter:"
            " connect.converter.",
        )
    return urlunsplit((parts.scheme, netloc, f"{base}/apis/registry/v2", "", ""))
