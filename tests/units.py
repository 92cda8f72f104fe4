"""The systemd units of deploy/, as systemd reads them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "deploy" / "systemd"
DROP_IN = FOLDER / "afflux-.service.d" / "10-afflux.conf"
UNITS = {path.name: path for path in sorted(FOLDER.glob("*.service"))}
HOME = "/opt/afflux"


def settings(unit: Path) -> list[tuple[str, str]]:
    """Return the settings of a unit and, over it, of what all units have in common, in order."""
    return [*_lines(unit), *_lines(DROP_IN)]


def start(unit: Path, *, instance: str, home: Path, environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment that systemd would start a unit with.

    Args:
        unit: the unit.
        instance: what stands for `%i`.
        home: what stands for /opt/afflux.
        environment: what the files of EnvironmentFile= would bring.
    """
    found = settings(unit)
    # A drop-in's lines come last, but the unit's own Environment= names other variables.
    words = [word for key, value in found if key == "Environment" for word in shlex.split(value)]
    env = dict(word.split("=", 1) for word in words) | environment
    (command,) = [value for key, value in found if key == "ExecStart"]
    command = command.replace("%i", instance).replace(HOME, str(home))
    return [re.sub(r"\$\{(\w+)\}", lambda name: env[name[1]], word) for word in shlex.split(command)], env


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "[")):
            yield key, value
