"""The units as systemd itself judges them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from units import FOLDER, HOME, UNITS

ANALYZE = "/usr/bin/systemd-analyze"
EXPOSURE = 20
"""Of 100, by `systemd-analyze security`: at most this much is left open to a daemon."""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with this checkout's program in the place of the installed one."""
    folder = tmp_path / "units"
    shutil.copytree(FOLDER, folder)
    for path in folder.rglob("*.service"):
        path.write_text(path.read_text().replace(HOME, str(Path(sys.executable).parents[1])))
    return folder


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong(installed: Path, name: str) -> None:
    done = subprocess.run([ANALYZE, "verify", installed / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", UNITS)
def test_little_is_left_open(installed: Path, name: str) -> None:
    whole = installed / name
    drop_in = installed / "afflux-.service.d" / "10-afflux.conf"
    service = drop_in.read_text().partition("[Service]")[2]
    whole.write_text(whole.read_text().replace("[Service]", f"[Service]{service}", 1))
    asked = [ANALYZE, "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(whole)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
