"""Every test that the pages on semantics and on lakes name as proof is there."""

import re
from pathlib import Path

TOP = Path(__file__).parents[2]


def test_every_proof_that_the_pages_name_exists() -> None:
    page = "".join((TOP / "docs" / name).read_text() for name in ("semantics.md", "delta.md"))
    code = "\n".join(path.read_text() for path in (TOP / "tests").rglob("*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named - set(re.findall(r"def (test_\w+)\(", code)) == set()
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert {name for name in files if not (TOP / name).exists()} == set()
    assert len(named) > 20
