"""What the systemd units promise, without systemd."""

import inspect
from pathlib import Path

import pytest

from afflux.cli.run import run
from afflux.cli.supervise import supervise
from units import DROP_IN, UNITS, settings, start

COMMANDS = {"afflux-sink@.service": run, "afflux-supervise.service": supervise}


@pytest.mark.parametrize("name", UNITS)
def test_the_command_is_one_that_afflux_has(name: str) -> None:
    command, _ = start(UNITS[name], instance="warehouse", home=Path("/x"), environment={})
    flags = {word.removeprefix("--").replace("-", "_") for word in command if word.startswith("--")}
    assert command[:2] == ["/x/bin/afflux", COMMANDS[name].__name__]
    assert flags <= inspect.signature(COMMANDS[name]).parameters.keys()


@pytest.mark.parametrize("name", UNITS)
def test_a_daemon_may_nothing_that_it_need_not(name: str) -> None:
    has = dict(settings(UNITS[name]))
    assert has["User"] == "afflux"
    assert has["CapabilityBoundingSet"] == has["AmbientCapabilities"] == ""
    assert has["ProtectSystem"] == "strict"
    closed = {
        *("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictNamespaces", "RestrictSUIDSGID"),
        *("ProtectKernelTunables", "ProtectKernelModules", "ProtectControlGroups", "MemoryDenyWriteExecute"),
    }
    assert {has[key] for key in closed} == {"yes"}


@pytest.mark.parametrize("name", UNITS)
def test_secrets_come_from_a_file_and_stand_in_no_command(name: str) -> None:
    found = settings(UNITS[name])
    assert ("EnvironmentFile", "-/etc/afflux/secrets.env") in found
    assert not [value for key, value in found if key.startswith(("Exec", "Environment")) and "PASSWORD" in value]


def test_each_daemon_has_a_port_of_its_own() -> None:
    ports = [value for path in UNITS.values() for key, value in settings(path) if "AFFLUX_PORT=" in value]
    assert len(ports) == len(set(ports)) == len(UNITS)


def test_what_all_units_have_in_common_stands_once() -> None:
    shared = {key for key, _ in settings(DROP_IN)}
    for path in UNITS.values():
        own = [line.partition("=")[0] for line in path.read_text().splitlines() if "=" in line and line[0].isalpha()]
        assert not (set(own) & shared) - {"Environment", "EnvironmentFile"}
