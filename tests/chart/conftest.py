"""What the chart's checks share: helm of both major versions."""

from pathlib import Path

import pytest

from chart.tools import HELM, helm


@pytest.fixture(scope="session", params=list(HELM))
def each_helm(request: pytest.FixtureRequest) -> Path:
    return helm(request.param)


@pytest.fixture(scope="session")
def newest_helm() -> Path:
    return helm(next(iter(HELM)))
