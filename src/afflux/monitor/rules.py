"""The alerts as files for Prometheus and Alertmanager (pure)."""

import re
from typing import Any, Final

import yaml

from afflux.monitor.alarms import RUNBOOKS
from afflux.monitor.alerts import KINDS, Kind, Policy, Rule
from afflux.topology.guard import Guard
from afflux.topology.monitor import Monitor

DEFAULT: Final = Policy(Guard(), Monitor())
_VALUES: Final = {
    "seconds": "{{ $value | humanizeDuration }}",
    "bytes": "{{ $value | humanize1024 }}B",
    "share": "{{ $value | humanizePercentage }}",
    "count": "{{ $value | humanize }}",
}


def prometheus(policy: Policy, runbooks: str = RUNBOOKS) -> str:
    """Give a file of Prometheus's alerting rules.

    Args:
        policy: the topology's.
        runbooks: where the page of runbooks is, for the alerts' links.
    """
    rules = [_rule(kind, rule, runbooks) for kind in KINDS for rule in kind.rules(policy)]
    return _yaml({"groups": [{"name": "afflux", "rules": rules}]})


def alertmanager() -> str:
    """Give a sample of Alertmanager's configuration: pages wake somebody, warnings are read in the morning."""
    return _yaml(
        {
            "route": {
                "receiver": "tickets",
                "group_by": ["alertname", "sink", "shard"],
                "group_wait": "30s",
                "group_interval": "5m",
                "repeat_interval": "12h",
                "routes": [{"matchers": ['severity="page"'], "receiver": "on-call", "repeat_interval": "1h"}],
            },
            "inhibit_rules": [
                {
                    "source_matchers": ['severity="page"'],
                    "target_matchers": ['severity="warning"'],
                    "equal": ["alertname", "sink", "shard"],
                },
                {
                    "source_matchers": ['alertname="AffluxKafkaUnwell"', 'severity="page"'],
                    "target_matchers": ['alertname=~"AffluxLag|AffluxFreshnessMissed|AffluxHeartbeatLost"'],
                },
            ],
            "receivers": [
                {"name": "on-call", "webhook_configs": [{"url": "http://pager.example.org/"}]},
                {"name": "tickets", "webhook_configs": [{"url": "http://tickets.example.org/"}]},
            ],
        }
    )


def _rule(kind: Kind, rule: Rule, runbooks: str) -> dict[str, Any]:
    summary = re.sub(r"\{(sink|shard|part)\}", r"{{ $labels.\1 }}", rule.summary)
    return {
        "alert": kind.name,
        "expr": rule.condition.promql,
        **({"for": f"{rule.lasting:g}s"} if rule.lasting else {}),
        "labels": {"severity": rule.severity, **({"reason": rule.reason} if rule.reason else {})},
        "annotations": {
            "summary": summary.replace("{value}", _VALUES[rule.unit]),
            "description": kind.means,
            "runbook_url": f"{runbooks}#{kind.anchor}",
        },
    }


def _yaml(data: Any) -> str:
    return "# Written by afflux, from src/afflux/monitor/alerts.\n" + yaml.safe_dump(data, sort_keys=False, width=1000)
