"""What the objects of every scenario promise together: they fit one another, hold no secret, and ask for no rights."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.render import CHART, SCENARIOS, Object, named, objects, pods, render, topology_of, values_of

REFERENCE = re.compile(r"\$\{env:([^}]+)\}")


@pytest.fixture(scope="module", params=SCENARIOS)
def found(request: pytest.FixtureRequest, newest_helm: Path) -> list[Object]:
    return objects(render(newest_helm, [values_of(request.param)]))


def test_no_two_objects_share_a_name(found: list[Object]) -> None:
    keys = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in found]
    assert len(keys) == len(set(keys))


def test_no_secret_is_rendered(found: list[Object]) -> None:
    assert named(found, "Secret") == {}
    for _, pod in pods(found):
        for container in pod["containers"]:
            for variable in container["env"]:
                secret = re.search("PASSWORD|TOKEN|JAAS", variable["name"])
                assert not secret or "secretKeyRef" in variable["valueFrom"]


def test_every_reference_of_the_topology_has_its_variable(found: list[Object]) -> None:
    wanted = set(REFERENCE.findall(topology_of(found).model_dump_json()))
    for name, pod in pods(found):
        if any(each["name"] == "afflux" for each in pod["containers"]) and not re.search("-(sink|migrate)-", name):
            assert wanted <= {variable["name"] for variable in pod["containers"][0]["env"]}


def test_every_pod_meets_the_restricted_standard(found: list[Object]) -> None:
    for _, pod in pods(found):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= container["resources"].keys()


def test_every_daemon_has_its_probes(found: list[Object]) -> None:
    for each in named(found, "Deployment").values():
        container = each["spec"]["template"]["spec"]["containers"][0]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports


def test_every_selector_finds_pods(found: list[Object]) -> None:
    labels = [*_pod_labels(found)]
    for each in found:
        for selector in _selectors(each):
            if not any(key.startswith("strimzi.io/") for key in selector):
                assert any(selector.items() <= pod.items() for pod in labels), (each["kind"], selector)


def test_what_pods_mount_is_there(found: list[Object]) -> None:
    maps, jobs = set(named(found, "ConfigMap")), set(named(found, "Job"))
    accounts = {"default", *named(found, "ServiceAccount")}
    for name, pod in pods(found):
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]}
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps
                assert name not in jobs or volume["configMap"]["name"] == name, "a hook comes before the release's maps"
        assert pod["serviceAccountName"] in accounts


def test_a_scaled_sink_has_no_replicas_of_its_own(found: list[Object]) -> None:
    deployments = named(found, "Deployment")
    for scaled in named(found, "ScaledObject").values():
        assert "replicas" not in deployments[scaled["spec"]["scaleTargetRef"]["name"]]["spec"]
        group = scaled["spec"]["triggers"][0]["metadata"]["consumerGroup"]
        topology = topology_of(found)
        assert group in {f"afflux.{topology.name}.{sink.name}" for sink in topology.sinks}


def test_the_network_lets_daemons_reach_what_the_topology_names(found: list[Object]) -> None:
    policy = named(found, "NetworkPolicy")["orders-afflux"]["spec"]
    open_ports = {port["port"] for rule in policy["egress"] for port in rule.get("ports", [])}
    topology = topology_of(found)
    texts = [topology.kafka.bootstrap_servers, topology.registry.url, topology.connect.url]
    texts += [getattr(sink, "url", "") for sink in topology.sinks]
    wanted = {int(port) for text in texts for port in re.findall(r":(\d+)(?=[,/?]|$)", text)}
    wanted |= {shard.port for shard in topology.shards}
    assert wanted <= open_ports


def test_only_a_topologys_change_rolls_the_daemons(newest_helm: Path) -> None:
    def sums(*flags: str) -> dict[str, str]:
        rendered = objects(render(newest_helm, [values_of("minimal")], *flags))
        made = named(rendered, "Deployment").items()
        return {name: each["spec"]["template"]["metadata"]["annotations"]["checksum/topology"] for name, each in made}

    before = sums()
    assert sums("--set", "sink.replicas=3,monitoring.serviceMonitor.enabled=true") == before
    assert not set(sums("--set", "tables[0].key=with_shard").values()) & set(before.values())


def test_a_sink_sees_only_its_own_secrets_and_changes(newest_helm: Path) -> None:
    found = objects(render(newest_helm, [values_of("external-connect")]))
    env = {name: {v["name"] for v in pod["containers"][0]["env"]} for name, pod in pods(found)}
    assert "REPORTING_URL" not in env["orders-afflux-sink-warehouse"]
    assert "DW_PASSWORD" not in env["orders-afflux-sink-reporting"]


def _pod_labels(found: list[Object]) -> Iterator[Mapping[str, str]]:
    for each in found:
        if each["kind"] in {"Pod", "Service"}:
            yield each["metadata"]["labels"]
        elif each["kind"] in {"Deployment", "Job"}:
            yield each["spec"]["template"]["metadata"]["labels"]


def _selectors(found: Object) -> Iterator[Mapping[str, Any]]:
    spec = found.get("spec", {})
    if found["kind"] == "Service":
        yield spec["selector"]
    elif found["kind"] in {"Deployment", "PodDisruptionBudget", "ServiceMonitor"}:
        yield spec["selector"]["matchLabels"]
    elif found["kind"] == "NetworkPolicy":
        yield spec["podSelector"]["matchLabels"]
        for rule in spec.get("ingress", []):
            yield from (peer["podSelector"]["matchLabels"] for peer in rule.get("from", []) if "podSelector" in peer)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_notes_name_what_there_is_to_look_at(newest_helm: Path, scenario: str) -> None:
    flags = ["--namespace", "cdc", "--dry-run=client", "--values", str(values_of(scenario))]
    done = subprocess.run(
        [newest_helm, "install", "orders", CHART, *flags], capture_output=True, text=True, check=False
    )
    notes = done.stdout.partition("\nNOTES:\n")[2]
    assert "helm test orders --namespace cdc" in notes
    named_there = set(re.findall(r"(?:deploy|service)/(\S+)", notes))
    assert named_there
    assert named_there <= {each["metadata"]["name"] for each in objects(render(newest_helm, [values_of(scenario)]))}


def test_alerts_and_dashboard_are_packed_whole(newest_helm: Path) -> None:
    found = objects(render(newest_helm, [values_of("production")]))
    files = CHART / "files"
    (rule,) = named(found, "PrometheusRule").values()
    assert rule["spec"] == yaml.safe_load((files / "afflux.rules.yaml").read_text())
    dashboard = named(found, "ConfigMap")["orders-afflux-dashboard"]["data"]["afflux.json"]
    assert json.loads(dashboard) == json.loads((files / "dashboard.json").read_text())


def test_the_supervisor_may_use_every_group_that_afflux_s_clients_name(newest_helm: Path) -> None:
    users = named(objects(render(newest_helm, [values_of("strimzi")])), "KafkaUser")
    acls = users["orders-afflux-kafka-user-control"]["spec"]["authorization"]["acls"]
    allowed = [acl["resource"] for acl in acls if acl["resource"]["type"] == "group"]
    sources = [path.read_text() for path in (CHART.parents[1] / "src" / "afflux" / "clients").glob("*.py")]
    names = {name for text in sources for name in re.findall(r'"group\.id": "([^"]+)"', text)}
    assert names
    for name in names:
        assert any(
            name == each["name"] or (each["patternType"] == "prefix" and name.startswith(each["name"]))
            for each in allowed
        )


def test_a_sink_s_user_may_read_its_topics_and_group_and_nothing_else(newest_helm: Path) -> None:
    found = objects(render(newest_helm, [values_of("strimzi")]))
    acls = named(found, "KafkaUser")["orders-afflux-kafka-user-sink-warehouse"]["spec"]["authorization"]["acls"]
    assert {operation for acl in acls for operation in acl["operations"]} == {"Read", "Describe"}
    names = {(acl["resource"]["type"], acl["resource"]["name"]) for acl in acls}
    told = ("topic", "afflux.orders.notifications")  # by which it knows that a snapshot has ended
    assert names == {("topic", "shard0."), ("topic", "shard1."), told, ("group", "afflux.orders.warehouse")}
