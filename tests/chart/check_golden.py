"""What is rendered is what is kept, so that a change of the chart is read before it is shipped; names never change."""

import json
import sys
from pathlib import Path

import pytest

from chart.render import CHART, GOLDEN, KEPT, SCENARIOS, objects, render, values_of

sys.path.insert(0, str(CHART.parent))
import generate

PREVIOUS = Path(__file__).with_name("previous")
"""Values that users of a release have, and the names of what it made of them: `<release>-values.yaml`, `-names.json`."""
HOW = "look at the difference; if it is meant, `make chart-files` keeps it"


@pytest.mark.parametrize("scenario", KEPT)
def test_newest_helm_renders_what_is_kept(newest_helm: Path, scenario: str) -> None:
    assert render(newest_helm, [values_of(scenario)]) == (GOLDEN / f"{scenario}.yaml").read_text(), HOW


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_both_helms_render_the_same(each_helm: Path, newest_helm: Path, scenario: str) -> None:
    def rendered(helm: Path) -> list[str]:
        return sorted(json.dumps(each, sort_keys=True) for each in objects(render(helm, [values_of(scenario)])))

    assert rendered(each_helm) == rendered(newest_helm)


@pytest.mark.parametrize("path", generate.generated(), ids=lambda path: path.name)
def test_what_the_chart_has_from_elsewhere_is_up_to_date(path: Path) -> None:
    assert path.read_text() == generate.generated()[path], "run `make chart-files`"


@pytest.mark.parametrize("values", sorted(PREVIOUS.glob("*-values.yaml")), ids=lambda path: path.name)
@pytest.mark.parametrize("upgrade", [False, True])
def test_an_earlier_release_s_values_still_name_the_same_objects(
    newest_helm: Path, values: Path, *, upgrade: bool
) -> None:
    flags = ["--is-upgrade"] if upgrade else []
    found = objects(render(newest_helm, [values], *flags, release="shop"))
    names = {f"{each['kind']} {each['metadata']['name']}" for each in found}
    before = set(json.loads(values.with_name(values.name.replace("-values.yaml", "-names.json")).read_text()))
    assert before - names == set()
    selectors = {each["metadata"]["name"]: each["spec"]["selector"] for each in found if each["kind"] == "Deployment"}
    assert all("helm.sh/chart" not in json.dumps(selector) for selector in selectors.values())
    assert all("version" not in json.dumps(selector) for selector in selectors.values())
