"""The stack that integration tests share, as containers: the same parts on the same addresses, from images.

They use the host's network, so that a test, Connect and the sink see a server at one and the same address. The images
are those that compose.yaml names; KAFKA_IMAGE, POSTGRES_IMAGE, REGISTRY_IMAGE and CONNECT_IMAGE name others.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from afflux.stack.addresses import Addresses, addresses_of
from afflux.stack.parts import parts_of
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.parts.connect import Connect
from afflux.stack.parts.kafka import Kafka
from afflux.stack.parts.postgres import Postgres
from afflux.stack.parts.registry import Registry
from afflux.stack.settle import AskedPorts, Wishes, settle
from afflux.stack.state import State
from afflux.stack.topology_file import write_topology

IMAGES = {
    "KAFKA_IMAGE": "apache/kafka:4.1.0",
    "POSTGRES_IMAGE": "postgres:16",
    "REGISTRY_IMAGE": "apicurio/apicurio-registry:3.0.6",
    "CONNECT_IMAGE": "afflux-connect:0.1.0",
}
PATIENCE = 240
ORDER = (Postgres, Kafka, Registry, Connect)


@contextmanager
def containers(folder: Path, shards: int) -> Iterator[Addresses]:
    """Run a container a part until the end of the block; the addresses are those of a local stack."""
    if IMAGES.keys() & os.environ.keys():  # images of one's own: nothing is pulled, testcontainers' own cleaner neither
        testcontainers_config.ryuk_disabled = True
    state = State.load_or_make(folder)
    settle(state, Wishes(shards, 1, AskedPorts(), None))
    parts = parts_of(state)
    with ExitStack() as running:
        for kind in ORDER:
            these = [part for part in parts if isinstance(part, kind)]
            for part in these:
                running.enter_context(_container(part))
            for part in these:
                _await(part)
        write_topology(state)
        yield addresses_of(state)


def _container(part: Part) -> DockerContainer:
    state = part.state
    match part:
        case Postgres():
            server = {"port": str(part.port)} | part.settings
            environment = {"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": state.password("postgres")}
            command = ["postgres", *(word for key, value in server.items() for word in ("-c", f"{key}={value}"))]
            return _made("POSTGRES_IMAGE", environment, command)
        case Kafka():
            broker = part._settings() | {"log.dirs": "/var/tmp/kafka"}  # noqa: S108 - in the container
            return _made("KAFKA_IMAGE", _variables("KAFKA_", broker) | {"CLUSTER_ID": state.spec.cluster})
        case Registry():
            own = part.launch().environment
            return _made("REGISTRY_IMAGE", {k: v for k, v in own.items() if k.startswith(("QUARKUS_", "APICURIO_"))})
        case Connect():
            worker = {k: v for k, v in part._settings().items() if not k.startswith(("plugin.", "config.providers"))}
            made = _made("CONNECT_IMAGE", _variables("CONNECT_", worker) | {"KAFKA_HEAP_OPTS": "-Xmx640m"})
            made = made.with_kwargs(network_mode="host", user=f"{os.getuid()}:{os.getgid()}")
            # connector configs refer to files of passwords by their paths: the stack's own, and those that tests write
            files = str(state.secrets_file.parents[1])
            return made.with_volume_mapping(files, files, "ro")
    raise TypeError(part)


def _made(variable: str, environment: Mapping[str, str], command: Sequence[str] = ()) -> DockerContainer:
    made = DockerContainer(os.environ.get(variable) or IMAGES[variable]).with_kwargs(network_mode="host")
    for key, value in environment.items():
        made = made.with_env(key, value)
    return made.with_command(list(command)) if command else made


def _variables(prefix: str, settings: Mapping[str, str | int]) -> dict[str, str]:
    """Say properties as the images' variables: a dot is `_`, a dash `___`."""
    return {prefix + key.replace("-", "___").replace(".", "_").upper(): str(value) for key, value in settings.items()}


def _await(part: Part) -> None:
    patient = Retrying(retry=retry_if_exception_type(NotReady), stop=stop_after_delay(PATIENCE), wait=wait_fixed(0.5))
    patient(part.answer)
