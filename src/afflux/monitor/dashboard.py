"""The Grafana dashboard, as JSON (pure)."""

import json
from typing import Any, Final

from afflux.monitor.panels import Panel, rows
from afflux.telemetry import metrics as m
from afflux.telemetry.watched import Measure

_HEIGHT: Final = {"stat": 4, "timeseries": 8}
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def dashboard() -> str:
    """Give the dashboard as Grafana's JSON."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, members in rows().items():
        panels.append(
            {"type": "row", "title": title, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}, "collapsed": False}
        )
        top, left, tallest = top + 1, 0, 0
        for panel in members:
            if left + panel.width > 24:
                top, left, tallest = top + tallest, 0, 0
            panels.append(_panel(panel, left, top))
            left, tallest = left + panel.width, max(tallest, _HEIGHT[panel.kind])
        top += tallest
    page = {
        "uid": "afflux",
        "title": "afflux",
        "description": "From the shards' WAL to the targets: what is read, what waits, what is about to be lost.",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_source_variable(), _variable("shard", m.SHARD_UP), _variable("sink", m.TARGET_UP)]},
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, 1)],
    }
    return json.dumps(page, indent=2) + "\n"


def _panel(panel: Panel, left: int, top: int) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red_above is not None:
        steps.append({"color": "red", "value": panel.red_above})
    if panel.red_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.red_below}]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": _DATASOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": _HEIGHT[panel.kind]},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": expression, "legendFormat": legend, "datasource": _DATASOURCE}
            for place, (expression, legend) in enumerate(panel.expressions)
        ],
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"}
        if panel.kind == "stat"
        else {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _variable(label: str, measure: Measure) -> dict[str, Any]:
    return {
        "name": label,
        "type": "query",
        "datasource": _DATASOURCE,
        "query": {"query": f"label_values({measure.name}, {label})", "refId": label},
        "refresh": 2,
        "sort": 3,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
    }
