"""The rules by Prometheus' own tool, where it can be had, and by their structure everywhere."""

import json
import math
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

import promtool
from afflux.monitor import rules
from afflux.monitor.alerts import KINDS, Policy
from afflux.monitor.dashboard import dashboard
from afflux.monitor.described import own, watched
from afflux.monitor.files import FILES
from afflux.monitor.panels import rows
from afflux.telemetry import metrics
from afflux.topology.guard import Guard, Page, Warn
from afflux.topology.monitor import Alerts, Monitor
from unit.monitor.alert_cases import CASES, MINUTES, Case

TOP = Path(__file__).parents[3]
RULES: list[dict[str, Any]] = yaml.safe_load(rules.prometheus(rules.DEFAULT))["groups"][0]["rules"]
PANELS = [panel for members in rows().values() for panel in members]


@pytest.mark.parametrize("path", FILES)
def test_the_files_in_the_repository_are_those_of_the_declarations(path: str) -> None:
    assert (TOP / path).read_text() == FILES[path](), "run `.venv/bin/python -m afflux.monitor.files`"


def known() -> dict[str, set[str]]:
    """Every name of a series that there is -> its labels."""
    found: dict[str, set[str]] = {}
    for metric in (*own(), *watched()):
        endings = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        for ending in endings:
            found[metric.name + ending] = {*metric.labels, *(["le"] if ending == "_bucket" else [])}
    return found


def selectors(expression: Any) -> list[Any]:
    """Every selector of a series in a parsed expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        return [expression]
    if isinstance(expression, promql_parser.MatrixSelector):
        return [expression.vector_selector]
    inner = [getattr(expression, name) for name in ("lhs", "rhs", "expr") if hasattr(expression, name)]
    return [found for part in (*inner, *getattr(expression, "args", ())) for found in selectors(part)]


EXPRESSIONS = [
    *((rule["alert"], rule["expr"]) for rule in RULES),
    *((panel.title, expression) for panel in PANELS for expression, _ in panel.expressions),
]


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_no_rule_and_no_panel_points_at_nothing(where: str, expression: str) -> None:
    text = expression.replace("$__rate_interval", "5m")
    found = selectors(promql_parser.parse(text))
    assert found, where
    for selector in found:
        asked = set(re.findall(r"(\w+)(?==|!=|=~)", str(selector.matchers)))
        assert asked <= known()[selector.name], selector.name


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_legend_names_labels_that_there_are(panel: Any) -> None:
    for expression, legend in panel.expressions:
        labels = set().union(
            *(known()[s.name] for s in selectors(promql_parser.parse(expression.replace("$__rate_interval", "5m"))))
        )
        assert set(re.findall(r"{{(\w+)}}", legend)) <= labels


def test_the_dashboard_has_every_panel_once_and_none_over_another() -> None:
    page = json.loads(dashboard())
    places = set()
    for panel in page["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places, panel["title"]
        assert at["x"] + at["w"] <= 24
        places |= cells
    assert len({panel["id"] for panel in page["panels"]}) == len(page["panels"]) == len(PANELS) + len(rows())


def test_every_alert_has_severity_summary_and_a_runbook_that_is_there() -> None:
    page = (TOP / "docs" / "runbooks.md").read_text()
    anchors = {heading.lower() for heading in re.findall(r"^### (Afflux\w+)$", page, re.MULTILINE)}
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "page"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (TOP / path).exists()
        assert anchor in anchors
    assert anchors == {kind.anchor for kind in KINDS}, "a runbook for an alert that there is not"


def test_no_two_rules_are_the_same_to_prometheus() -> None:
    labelled = [(rule["alert"], *sorted(rule["labels"].items())) for rule in RULES]
    assert len(labelled) == len(set(labelled))


def test_a_topology_s_own_thresholds_are_in_its_rules() -> None:
    policy = Policy(
        Guard(warn=Warn(within="3d", used=40), page=Page(within="1d")),
        Monitor(freshness="10s", alerts=Alerts(lag=77, lasting="2m")),
    )
    text = rules.prometheus(policy, "https://docs.example.org/runbooks")
    for part in ("< 259200", "> 0.4", "< 86400", "> 10\n", "> 77\n", "for: 120s", "https://docs.example.org/runbooks#"):
        assert part in text


def test_metric_names_keep_to_the_convention() -> None:
    for metric in (*own(), *watched()):
        assert re.fullmatch(r"afflux_[a-z0-9_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)", metric.name), metric.name
        assert metric.help.endswith("."), metric.name
        assert set(metric.labels) <= {
            *("shard", "sink", "part", "state", "stage", "bound", "limit", "kind", "table"),
            *("reason", "cause", "action", "result", "version", "server"),
        }, metric.name
    names = [metric.name for metric in (*own(), *watched())]
    assert len(names) == len(set(names))
    assert {metric.name for metric in watched()} == {measure.name for measure in metrics.WATCHED.measures}


# --- by promtool ----------------------------------------------------------------------------------


def value(number: float) -> str:
    return "+Inf" if number == math.inf else f"{number:g}"


def as_promtool(case: Case) -> dict[str, Any]:
    series = [
        {
            "series": f"{measure.name}{{{', '.join(f'{key}={text!r}'.replace(chr(39), chr(34)) for key, text in labels.items())}}}",
            "values": " ".join(map(value, values)),
        }
        for measure, labels, values in case.series
    ]
    if case.looked:
        series.append({"series": metrics.LOOKED.name, "values": f"0+60x{MINUTES}"})
    return {
        "name": case.name,
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [
            {
                "eval_time": f"{MINUTES - 1}m",
                "alertname": kind.name,
                "exp_alerts": [{"exp_labels": labels} for name, labels in case.alerts if name == kind.name],
            }
            for kind in KINDS
        ],
    }


if promtool.find():

    def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
        path = tmp_path / "rules.yaml"
        path.write_text(rules.prometheus(rules.DEFAULT))
        done = promtool.run("check", "rules", path)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_prometheus_fires_what_each_case_expects(tmp_path: Path) -> None:
        bare = [{key: part for key, part in rule.items() if key != "annotations"} for rule in RULES]
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "afflux", "rules": bare}]}))
        tests = {
            "rule_files": ["rules.yaml"],
            "evaluation_interval": "1m",
            "tests": [as_promtool(case) for case in CASES],
        }
        path = tmp_path / "tests.yaml"
        path.write_text(yaml.safe_dump(tests, sort_keys=False))
        done = promtool.run("test", "rules", path)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def test_prometheus_writes_summaries_as_people_read_them(tmp_path: Path) -> None:
        (tmp_path / "rules.yaml").write_text(rules.prometheus(rules.DEFAULT))
        case = next(case for case in CASES if case.name == "nobody reads the slot")
        test = as_promtool(case)
        test["alert_rule_test"] = [
            {
                "eval_time": "15m",
                "alertname": "AffluxSlotIdle",
                "exp_alerts": [
                    {
                        "exp_labels": {"severity": "warning", "shard": "shard0"},
                        "exp_annotations": {
                            "summary": "shard shard0: nobody has read the slot for 5m 1s",
                            "description": "Nobody has read a slot for five minutes; the shard keeps all WAL since.",
                            "runbook_url": "docs/runbooks.md#affluxslotidle",
                        },
                    }
                ],
            }
        ]
        path = tmp_path / "tests.yaml"
        path.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
        done = promtool.run("test", "rules", path)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
