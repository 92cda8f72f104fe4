"""The chart and the control plane say the same, seen from what the chart is kept to render: helm is not needed here."""

import pytest

from chart.agreement import disagreements
from chart.render import GOLDEN, KEPT, objects, topology_of


@pytest.mark.parametrize("scenario", KEPT)
def test_the_topology_in_the_configmap_loads(scenario: str) -> None:
    topology = topology_of(objects((GOLDEN / f"{scenario}.yaml").read_text()))
    assert topology.shards


@pytest.mark.parametrize("scenario", KEPT)
def test_connectors_and_topics_are_those_of_the_control_plane(scenario: str) -> None:
    found = objects((GOLDEN / f"{scenario}.yaml").read_text())
    assert [*disagreements(found)] == [], "run `make chart-files`"
