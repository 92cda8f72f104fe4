"""Every object of every scenario is what Kubernetes and the operators take, in all versions that are kept here."""

import subprocess
from pathlib import Path

import pytest

from chart.render import CHART, SCENARIOS, objects, render, values_of
from chart.schemas import KUBERNETES, OWN_GROUPS, custom_mistakes, group_of, mistakes, products_of


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_kubernetes_takes_its_objects(newest_helm: Path, scenario: str, version: str) -> None:
    found = objects(render(newest_helm, [values_of(scenario)], "--kube-version", version))
    own = [each for each in found if group_of(each) in OWN_GROUPS]
    said = {f"{each['kind']} {each['metadata']['name']}": [*mistakes(each, version)] for each in own}
    assert own
    assert {name: lines for name, lines in said.items() if lines} == {}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_operators_take_their_resources_in_every_kept_release(newest_helm: Path, scenario: str) -> None:
    found = objects(render(newest_helm, [values_of(scenario)]))
    custom = [each for each in found if group_of(each) not in OWN_GROUPS]
    unknown = [each["kind"] for each in custom if not products_of(each)]
    said = {
        f"{each['kind']} {each['metadata']['name']} in {product}": [*custom_mistakes(each, product)]
        for each in custom
        for product in products_of(each)
    }
    assert unknown == []
    assert {name: lines for name, lines in said.items() if lines} == {}


def test_a_wrong_key_is_found(newest_helm: Path) -> None:
    found = objects(render(newest_helm, [values_of("strimzi")]))
    for each in found:
        each["spec" if "spec" in each else "metadata"]["tabels"] = 1
        own = group_of(each) in OWN_GROUPS
        assert (
            [*mistakes(each, KUBERNETES[0])]
            if own
            else [*(line for product in products_of(each) for line in custom_mistakes(each, product))]
        )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_helm_lint_finds_nothing(each_helm: Path, scenario: str) -> None:
    command = [str(each_helm), "lint", "--strict", "--quiet", str(CHART), "--values", str(values_of(scenario))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
