"""What afflux is made of, by its lock files: Python packages and Maven artefacts, with their hashes."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parent.parent
RUNTIME = TOP / "images" / "afflux" / "requirements.lock"
"""The packages of the image: what afflux runs with."""
DEVELOPMENT = TOP / "requirements.lock"
"""These, the local stack's, and the tools'."""
MAVEN = TOP / "connectors" / "jvm.lock"

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


@dataclass(frozen=True, order=True)
class PartOf:
    """One thing that afflux is made of.

    Attributes:
        name: of a Python package its name; of a Maven artefact `group:artifact`.
        version: its version.
        purl: its package URL, by the specification of that name.
        sha256: hashes of its files, in hexadecimal.
    """

    name: str
    version: str
    purl: str
    sha256: tuple[str, ...] = ()


def python_parts(lock: Path) -> list[PartOf]:
    """Read the Python packages of a lock file."""
    text = lock.read_text()
    places = list(_PINNED.finditer(text))
    ends = [place.start() for place in places[1:]] + [len(text)]
    return [
        PartOf(
            place[1].lower(),
            place[2],
            f"pkg:pypi/{place[1].lower()}@{place[2]}",
            tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", text[place.start() : end])),
        )
        for place, end in zip(places, ends, strict=True)
    ]


def maven_parts() -> list[PartOf]:
    """Read the artefacts of the stack's JVM parts, each once."""
    return sorted(set(_maven_parts()))


def _maven_parts() -> Iterator[PartOf]:
    for files in json.loads(MAVEN.read_text())["bundles"].values():
        for file in files:
            group, artifact, version, *rest = file["coordinates"].split(":")
            kind = f"?type={rest[0]}&classifier={rest[1]}" if len(rest) > 1 else ""
            purl = f"pkg:maven/{group}/{artifact}@{version}{kind}"
            yield PartOf(f"{group}:{artifact}", version, purl, (file["sha256"],))
