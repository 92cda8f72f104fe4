"""The secured stack: what is wrong is said plainly, and nothing is lost by it. `make secure`.

`AFFLUX_SECURE_STATE=/tmp/mine` keeps the stack from one run to the next, for quick turns.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError

from afflux.clients.topics import Topics
from afflux.errors import AffluxError
from afflux.stack import Stack
from afflux.stack.secure.certificates import Authority
from afflux.topology.load import load_resolved
from afflux.topology.secrets import resolve
from chaos.waiting import wait_for
from secure.place import Place, secured

pytestmark = pytest.mark.timeout(1800)
Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with secured(tmp_path_factory.mktemp("secure"), os.environ.get("AFFLUX_SECURE_STATE")) as made:
        yield made


def _set(*path: Any, value: str) -> Change:
    def change(declared: Any) -> None:
        for part in path[:-1]:
            declared = declared[part]
        declared[path[-1]] = value

    return change


def _in_url(old: str, new: str) -> Change:
    def change(declared: Any) -> None:
        url = declared["sinks"][0]["url"]
        assert old in url
        declared["sinks"][0]["url"] = url.replace(old, new)

    return change


PLAN, SINK_STATE = ("connectors", "plan"), ("positions", "show")
CA = "ssl.ca.location"


@pytest.mark.parametrize(
    ("server", "command", "place_of_it"),
    [
        ("kafka", PLAN, ("kafka", "properties", CA)),
        ("registry", PLAN, ("registry", "properties", CA)),
        ("connect", PLAN, ("connect", "properties", CA)),
        ("shard0", PLAN, ("source", "config", "database.sslrootcert")),
        ("sink", SINK_STATE, ()),
    ],
)
def test_a_server_of_another_authority_is_not_spoken_to_and_is_named(
    place: Place, tmp_path: Path, server: str, command: tuple[str, ...], place_of_it: tuple[str, ...]
) -> None:
    other = Authority(tmp_path / "other")
    other.open()
    change = _set(*place_of_it, value=str(other.trusted)) if place_of_it else _in_url("tls/ca.pem", "other.pem")
    if not place_of_it:
        (place.stack.folder / "other.pem").write_bytes(other.trusted.read_bytes())
    said = place.said(*command, topology=place.differing(change)).lower()
    assert "certificate" in said or "ssl" in said, said
    assert {"kafka": "kafka", "connect": "connect", "registry": "registry"}.get(server, server) in said, said


@pytest.mark.parametrize(
    ("server", "command", "change"),
    [
        ("kafka", PLAN, _set("kafka", "properties", "sasl.password", value="${env:WRONG}")),
        ("registry", PLAN, _set("registry", "properties", "basic.auth.user.info", value="afflux:${env:WRONG}")),
        ("connect", PLAN, _set("connect", "properties", "basic.auth.user.info", value="afflux:${env:WRONG}")),
        ("shard0", PLAN, _set("source", "password", value="${env:WRONG}")),
        ("sink", SINK_STATE, _set("sinks", 0, "url", value="")),
    ],
)
def test_a_wrong_password_is_said_without_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, server: str, command: tuple[str, ...], change: Change
) -> None:
    monkeypatch.setenv("WRONG", "hunter2")
    if server == "sink":
        url = load_resolved(place.topology).sinks[0].url  # type: ignore[union-attr]  # it is a PostgreSQL sink
        secret = url[url.index("${") : url.index("}") + 1]
        change = _in_url(secret, "${env:WRONG}")
    said = place.said(*command, topology=place.differing(change))
    assert "hunter2" not in said
    assert any(word in said.lower() for word in ("password", "login", "authentication", "401", "sasl")), said


def test_an_expired_certificate_is_said_and_nothing_is_lost(place: Place) -> None:
    warehouse, authority = place.stack.part("warehouse"), place.stack.part("warehouse").state.authority
    authority.issue("warehouse", timedelta(days=-1))
    try:
        assert warehouse.take_certificate()

        def refused() -> bool:
            try:
                error = place.refusal(*SINK_STATE)
            except AssertionError:
                return False  # the server takes a moment to read it
            return "certificate verify failed" in error.message and "still good" in error.hint

        wait_for(refused, 60, "the certificate has expired", every=0.5)
        place.source("insert into people (name) values ('while it was expired')")
    finally:
        authority.issue("warehouse")
        warehouse.take_certificate()
    place.catch_up()


def test_a_sink_without_its_acl_says_so_and_loses_nothing(place: Place) -> None:
    with place.without_acl():
        place.source("insert into people (name) values ('while it was not allowed')")
        said = place.sink_says("uthoriz")
        assert "uthoriz" in said, said
    place.catch_up()


def test_a_revoked_grant_is_said_and_nothing_is_lost(place: Place) -> None:
    superuser = place.addresses.warehouse_superuser_url
    place.source("revoke usage on schema afflux from sink; alter schema afflux owner to postgres", superuser)
    try:
        place.source("insert into people (name) values ('while it was revoked')")
        error = place.refusal(*SINK_STATE)
        assert "permission denied" in error.message
        assert error.hint
    finally:
        place.source("grant usage, create on schema afflux to sink", superuser)
    place.catch_up()


def test_the_sink_may_read_its_topics_in_its_group_and_nothing_else(place: Place) -> None:
    topology = load_resolved(place.topology)
    seen = topology.seen_by(topology.sinks[0])
    settings = {key: resolve(value) for key, value in seen.kafka.properties.items()}
    settings |= {"bootstrap.servers": seen.kafka.bootstrap_servers, "group.id": "afflux.local.warehouse"}
    everything = {key: resolve(value) for key, value in topology.kafka.properties.items()}
    assert "afflux.local.signals" in Topics(place.addresses.kafka, everything).names()
    visible = Topics(place.addresses.kafka, {k: str(v) for k, v in settings.items()}).names()
    assert "shard0.public.people" in visible
    assert not {name for name in visible if not name.startswith("shard")} - {"afflux.local.notifications"}
    stranger = Consumer(settings | {"group.id": "somebody.else"})
    try:
        stranger.subscribe(["shard0.public.people"])
        message = stranger.poll(30)
        assert message is not None
        assert message.error().code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    finally:
        stranger.close()


def test_certificates_are_rotated_under_load_and_nothing_is_lost(place: Place) -> None:
    before = {each.part: each.serial for each in place.stack.certificates()}
    command = [sys.executable, "-m", "afflux", "run", "-t", str(place.topology), "--log-level", "error"]
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.1):
            place.source("insert into people (name) values ('under load'); update people set name = name || '.'")

    writer = threading.Thread(target=write)
    with subprocess.Popen(command) as sink:
        writer.start()
        try:
            after = place.stack.rotate()
        finally:
            stop.set()
            writer.join()
        assert sink.poll() is None, "the sink has ended"
        sink.send_signal(signal.SIGTERM)
    assert all(each.served for each in after), after
    assert not {each.serial for each in after} & set(before.values())
    place.catch_up()


def test_a_stack_in_clear_has_no_certificates(tmp_path: Path) -> None:
    with pytest.raises(AffluxError, match="there is no stack"):
        Stack(tmp_path).certificates()
