"""Keep what the chart renders now: `python tests/chart/keep.py`, or `make chart-files`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from chart.render import GOLDEN, KEPT, render, values_of
from chart.tools import HELM, helm

if __name__ == "__main__":
    newest = helm(next(iter(HELM)))
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.glob("*.yaml"):
        path.unlink()
    for scenario in KEPT:
        (GOLDEN / f"{scenario}.yaml").write_text(render(newest, [values_of(scenario)]))
