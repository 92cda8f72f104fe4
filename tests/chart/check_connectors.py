"""The chart's connectors, topics and names are those that afflux's own control plane would make."""

from pathlib import Path

import pytest

from chart.agreement import disagreements
from chart.render import SCENARIOS, objects, render, values_of


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_chart_and_control_plane_agree(each_helm: Path, scenario: str) -> None:
    assert [*disagreements(objects(render(each_helm, [values_of(scenario)])))] == []


@pytest.mark.parametrize(
    "flags",
    [
        ["--set", "connectors.plugin=false"],
        ["--set-json", 'source.config={"signal.consumer.security.protocol":"SSL","decimal":1.5,"flag":true}'],
        [
            "--set-json",
            'source.names={"slot":"s_{shard}","topic_prefix":"{name}.{shard}","connector":"c.{shard}"}',
            "--set-json",
            'transforms=[{"type":"RegexRouter","regex":".*shard[0-9]+[.](.*)","replacement":"$1"}]',
        ],
        [
            "--set-json",
            'tables=[{"source":"public.a,b"},{"source":"s-1.T #~&x"},{"source":"public.gr\\u00f6\\u00dfe \\ud83d\\ude00"}]',
        ],
        ["--set-json", 'kafka.topics={"partitions":3,"replication":2,"retention":"forever","min_insync":2}'],
        ["--set-json", 'kafka.properties={"security.protocol":"ssl","ssl.ca.pem":"x","ssl.key.pem":"${env:KEY}"}'],
        [
            "--set-json",
            'tables=[{"source":"public.a","columns":{"e-mail x":{"mask":"hash","where":"source"},"n":{"mask":"remove"}}}]',
            "--set-json",
            'tables[1]={"source":"public.b","shards":"one","columns":{"p":{"mask":"partial","keep":2,"where":"source"}}}',
            "--set",
            "topology.masking.key=${env:MASKS_KEY}",
        ],
        ["--set", "connect.registry_url=http://elsewhere/apis/registry/v2"],
        ["--set", "registry.url=https://u:${env:P}@r.example.org/base/apis/ccompat/v7?x=1"],
    ],
)
def test_they_agree_on_unusual_values(newest_helm: Path, flags: list[str]) -> None:
    own = ["--set", "connectors.appliedBy=strimzi,strimzi.cluster=k,strimzi.connectCluster=c,kafkaTopics.enabled=true"]
    found = objects(render(newest_helm, [values_of("minimal")], *own, *flags))
    assert [*disagreements(found)] == []
    assert [each for each in found if each["kind"] == "KafkaConnector"]
