"""Ask OSV (osv.dev) for known vulnerabilities of everything in the lock files: `make audit`. It needs the internet.

Exit code 0: none is known; 1: some are; 2: OSV could not be asked, which the last line says.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from parts import DEVELOPMENT, PartOf, maven_parts, python_parts

OSV = "https://api.osv.dev/v1/querybatch"
_AT_ONCE = 500
_SECONDS = 30


def known(parts: Sequence[PartOf], answer: Mapping[str, Any]) -> list[str]:
    """Read OSV's answer to a batch: a line for each part with vulnerabilities. Pure."""
    return [
        f"{part.name} {part.version}: {', '.join(each['id'] for each in result['vulns'])}"
        for part, result in zip(parts, answer["results"], strict=True)
        if result.get("vulns")
    ]


def _plain(part: PartOf) -> str:
    return part.purl.partition("?")[0]


if __name__ == "__main__":
    everything = [*python_parts(DEVELOPMENT), *maven_parts()]
    found: list[str] = []
    try:
        for first in range(0, len(everything), _AT_ONCE):
            some = everything[first : first + _AT_ONCE]
            queries = [{"package": {"purl": _plain(part)}} for part in some]
            answer = requests.post(OSV, json={"queries": queries}, timeout=_SECONDS)
            answer.raise_for_status()
            found += known(some, answer.json())
    except requests.RequestException as error:
        print(f"not audited: OSV could not be asked ({type(error).__name__}); run it where the internet is")
        sys.exit(2)
    print("\n".join(found) or f"{len(everything)} parts, no known vulnerability")
    sys.exit(1 if found else 0)
