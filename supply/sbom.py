"""Write a bill of materials, CycloneDX 1.6: `make sbom`. Pure, but for the files that it reads and writes.

Equal locks give equal bytes: no time and no random number is in it.
"""

import csv
import json
import sys
import tomllib
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from licences import LIST
from parts import RUNTIME, TOP, PartOf, maven_parts, python_parts


def bill(version: str, python: Iterable[PartOf], maven: Iterable[PartOf]) -> dict[str, Any]:
    """Make the bill.

    Args:
        version: afflux's.
        python: the packages that it runs with.
        maven: the artefacts of Kafka Connect's image and the local stack.
    """
    with LIST.open() as file:
        licences = dict(list(csv.reader(file))[1:])
    components = [_component(part, licences[part.name]) for part in [*sorted(python), *sorted(maven)]]
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "afflux",
                "name": "afflux",
                "version": version,
                "purl": f"pkg:pypi/afflux@{version}",
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": "afflux", "dependsOn": [component["bom-ref"] for component in components]}],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "serialNumber": f"urn:uuid:{number}", **body}


def _component(part: PartOf, licence: str) -> dict[str, Any]:
    group, _, name = part.name.rpartition(":")
    return {
        "type": "library",
        "bom-ref": part.purl,
        **({"group": group} if group else {}),
        "name": name,
        "version": part.version,
        "purl": part.purl,
        "licenses": [{"license": {"name": licence}}],
        # of a Python package there are several files; CycloneDX has one hash of a kind for a component
        **({"hashes": [{"alg": "SHA-256", "content": part.sha256[0]}]} if len(part.sha256) == 1 else {}),
    }


def written() -> str:
    """Give the bill of this checkout as text."""
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    return json.dumps(bill(version, python_parts(RUNTIME), maven_parts()), indent=2) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(written())
    print(f"{target}: {len(json.loads(target.read_text())['components'])} components")
