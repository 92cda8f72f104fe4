"""What afflux is made of is known: licences, a bill of materials, and packages that anyone can build again."""

import csv
import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent
SUPPLY = TOP / "supply"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SUPPLY))


def test_everything_that_is_locked_has_its_licence_listed_and_nothing_else_is() -> None:
    from parts import DEVELOPMENT, RUNTIME, maven_parts, python_parts  # noqa: PLC0415 - scripts beside the package

    locked = {part.name for lock in (DEVELOPMENT, RUNTIME) for part in python_parts(lock)}
    locked |= {part.name for part in maven_parts()}
    with (SUPPLY / "LICENCES.csv").open() as file:
        listed = dict(list(csv.reader(file))[1:])
    assert set(listed) == locked, "run `make licences`"
    assert not [name for name, licence in listed.items() if not licence]


def test_the_bill_of_materials_names_every_part_and_is_the_same_each_time() -> None:
    from parts import RUNTIME, maven_parts, python_parts  # noqa: PLC0415 - likewise
    from sbom import written  # noqa: PLC0415 - likewise

    text = written()
    assert text == written()
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    found = [component["purl"] for component in bill["components"]]
    assert sorted(found) == sorted(part.purl for part in [*python_parts(RUNTIME), *maven_parts()])
    assert len(set(found)) == len(found)
    assert all(component["version"] and component["licenses"] for component in bill["components"])


def test_every_locked_part_has_its_hash() -> None:
    from parts import DEVELOPMENT, RUNTIME, maven_parts, python_parts  # noqa: PLC0415 - likewise

    for part in [*python_parts(DEVELOPMENT), *python_parts(RUNTIME), *maven_parts()]:
        assert part.sha256, part.name


def test_an_audit_tells_the_parts_with_known_vulnerabilities() -> None:
    from audit import known  # noqa: PLC0415 - likewise
    from parts import PartOf  # noqa: PLC0415 - likewise

    parts = [PartOf("a", "1", "pkg:pypi/a@1"), PartOf("b", "2", "pkg:pypi/b@2")]
    assert known(parts, {"results": [{}, {"vulns": [{"id": "X-1"}, {"id": "X-2"}]}]}) == ["b 2: X-1, X-2"]


def test_wheel_and_sdist_have_the_same_bytes_wherever_they_are_built(tmp_path: Path) -> None:
    hashes = [_built(tmp_path / name, mask) for name, mask in (("one", 0o022), ("another", 0o077))]
    assert hashes[0] == hashes[1]
    assert sorted(name.rpartition(".")[2] for name in hashes[0]) == ["gz", "whl"]


def _built(folder: Path, mask: int) -> dict[str, str]:
    """Build from a copy of the checkout, and return the hashes by file."""
    left_out = shutil.ignore_patterns(".*", "__pycache__", "dist", "docs", "tests", "bench", "helm")
    shutil.copytree(TOP, folder, ignore=left_out)
    before = os.umask(mask)
    try:
        for kind in ("wheel", "sdist"):
            command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", "out"]
            environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    finally:
        os.umask(before)
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "out").iterdir())}
