"""The chart as helm renders it, and what is in it."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from afflux.topology.load import loads
from afflux.topology.model import Topology

CHART = Path(__file__).parents[2] / "helm" / "afflux"
SCENARIOS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
GOLDEN = Path(__file__).with_name("golden")
KEPT = [scenario for scenario in SCENARIOS if scenario != "hundred-shards"]
"""The scenarios whose rendering is kept; a hundred shards are thirty thousand lines that say the same."""

Object = dict[str, Any]


class Refused(Exception):  # noqa: N818 - the chart's word on values, no fault
    """helm did not render these values."""


def values_of(scenario: str) -> Path:
    """Return the values file of a scenario."""
    return CHART / "ci" / f"{scenario}-values.yaml"


def render(helm: Path, files: Sequence[Path], *flags: str, release: str = "orders") -> str:
    """Render the chart.

    Args:
        helm: the program.
        files: values, the later over the earlier.
        flags: further flags of `helm template`.
        release: the release's name.

    Raises:
        Refused: the chart does not take these values; the text says why.
    """
    given = [flag for file in files for flag in ("--values", str(file))]
    command = [str(helm), "template", release, str(CHART), "--namespace", "cdc", *given, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def objects(text: str) -> list[Object]:
    """Return the objects of what was rendered."""
    return [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]


def named(found: Sequence[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind by their names."""
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def topology_of(found: Sequence[Object]) -> Topology:
    """Return the topology that the daemons mount, read by afflux's own loader."""
    maps = [each for name, each in named(found, "ConfigMap").items() if name.endswith("-topology")]
    return loads(maps[0]["data"]["topology.yaml"], name="topology.yaml")


def pods(found: Sequence[Object]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give each object's name with the pod's spec that it makes."""
    for each in found:
        if each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]
        elif each["kind"] in {"Deployment", "Job"}:
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
