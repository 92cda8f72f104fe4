"""The Ansible role as ansible-lint judges it, in its strictest profile."""

import subprocess
import sys
from pathlib import Path

ANSIBLE = Path(__file__).parents[2] / "deploy" / "ansible"
LINT = ["--from", "ansible-lint==26.10.1", "--with", "ansible-core==2.19.14"]


def test_ansible_lint_finds_nothing() -> None:
    uvx = str(Path(sys.executable).parent / "uvx")
    asked = [uvx, "--quiet", *LINT, "ansible-lint", "--offline", "--nocolor", "--profile", "production"]
    done = subprocess.run([*asked, "."], cwd=ANSIBLE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed: 0 failure(s), 0 warning(s)" in done.stderr + done.stdout
