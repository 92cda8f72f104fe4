"""Values that contradict each other, or that afflux could not work with, are refused with a sentence."""

from pathlib import Path

import pytest

from chart.render import Refused, render, values_of

SAID: dict[str, tuple[str, list[str]]] = {
    # what is said: (scenario, flags)
    "there are no brokers": ("minimal", ["kafka.bootstrap_servers="]),
    "kafkaCluster.enabled makes some": ("minimal", ["kafkaCluster.enabled=true"]),
    "strimzi.cluster names a Kafka, and kafkaCluster.enabled makes one": ("strimzi", ["strimzi.cluster=main"]),
    "kafkaTopics.enabled needs the Kafka": ("minimal", ["kafkaTopics.enabled=true"]),
    "kafkaUsers.enabled needs the Kafka": ("minimal", ["kafkaUsers.enabled=true"]),
    "kafka.topics.replication 5 is more than the 3 brokers": ("strimzi", ["kafka.topics.replication=5"]),
    "kafkaConnect.replicationFactor 4 is more": ("strimzi", ["kafkaConnect.replicationFactor=4"]),
    "registryServer.replicationFactor 4 is more": ("strimzi", ["registryServer.replicationFactor=4"]),
    "kafkaTopics.enabled needs tables by name: tables[0].source": (
        "minimal",
        ["kafkaTopics.enabled=true,strimzi.cluster=k", r"tables[0].source=public\..*"],
    ),
    "there is no registry": ("minimal", ["registry.url="]),
    "registryServer.enabled makes one": ("minimal", ["registryServer.enabled=true"]),
    "needs registryServer.postgresql.url": ("strimzi", ["registryServer.storage=postgresql"]),
    "there is no Kafka Connect": ("minimal", ["connect.url="]),
    "kafkaConnect.enabled makes one: keep": ("minimal", ["kafkaConnect.enabled=true,kafkaConnect.image=x"]),
    "strimzi.connectCluster names a KafkaConnect": ("strimzi", ["strimzi.connectCluster=c"]),
    "kafkaConnect.build.image is where one is pushed to": ("strimzi", ["kafkaConnect.image=x"]),
    "kafkaConnect.enabled needs an image": ("strimzi", ["kafkaConnect.build.image="]),
    "kafkaConnect.build has no afflux plugin": (
        "minimal",
        ["connect.url=,kafkaConnect.enabled=true,kafkaConnect.build.image=x"],
    ),
    "supervisor.enabled is false: who makes the connectors?": ("minimal", ["supervisor.enabled=false"]),
    "connectors.appliedBy strimzi needs the KafkaConnect": ("minimal", ["connectors.appliedBy=strimzi"]),
    "kafka.properties: ssl.key.location can't be handed on": ("strimzi", [r"kafka.properties.ssl\.key\.location=/k"]),
    "strimzi needs the supervisor": ("strimzi", ["supervisor.enabled=false"]),
    "my_orders-shard0 can't be one's name": ("strimzi", ["name=my_orders"]),
    "set connect.registry_url": ("production", ["registry.url=http://registry.example.org/v3"]),
    "connectors.appliedBy strimzi needs tables by name": ("strimzi", [r"tables[0].source=public\..*"]),
    "which only the plugin does": (
        "strimzi",
        ["connectors.plugin=false,tables[0].columns.c.mask=remove,tables[0].columns.c.where=source"],
    ),
    "externalSecrets.enabled needs externalSecrets.storeRef.name": ("production", ["externalSecrets.storeRef.name="]),
    "externalSecrets.enabled needs externalSecrets.data": ("minimal", ["externalSecrets.enabled=true"]),
    "refers to ${env:DW_PASSWORD}, and nothing has it": ("minimal", ["secrets.existing="]),
    "must lie below /mnt": ("strimzi", ["secrets.files[0].secret=s,secrets.files[0].path=/run/s"]),
    "source.password is written in clear": ("minimal", ["source.password=hunter2"]),
    "sink.each.lake: there is no sink of that name": ("minimal", ["sink.each.lake.replicas=1"]),
    "autoscaling.maxReplicas 1 is less than": ("production", ["sink.autoscaling.maxReplicas=1"]),
    "the topology's name Orders must be": ("minimal", ["name=Orders"]),
    "hides its port: name it in networkPolicy.egressPorts": ("minimal", ["sinks[0].url=${env:DW_URL}"]),
}


@pytest.mark.parametrize("sentence", SAID)
def test_it_is_refused_with_a_sentence(newest_helm: Path, sentence: str) -> None:
    scenario, flags = SAID[sentence]
    given = [flag for each in flags for flag in ("--set", each)]
    with pytest.raises(Refused) as refused:
        render(newest_helm, [values_of(scenario)], *given)
    assert sentence in " ".join(str(refused.value).split())
    assert "hunter2" not in str(refused.value)


def test_a_directory_of_shards_goes_with_the_supervisor_only(newest_helm: Path) -> None:
    directory = ["--set-json", 'shards={"query":{"url":"postgresql://d.example.org/d","sql":"select 1"}}']
    assert render(newest_helm, [values_of("minimal")], *directory)
    for part in ("connectors.appliedBy strimzi", "kafkaTopics.enabled", "kafkaUsers.enabled"):
        with pytest.raises(Refused, match=f"{part} needs the shards in a list: a directory's shards"):
            render(newest_helm, [values_of("strimzi")], *directory)


def test_all_contradictions_are_told_at_once(newest_helm: Path) -> None:
    with pytest.raises(Refused) as refused:
        render(newest_helm, [values_of("minimal")], "--set", "kafka.bootstrap_servers=,connect.url=,registry.url=")
    assert str(refused.value).count("\n- ") == 3


@pytest.mark.parametrize(
    "flag",
    [
        "tabels[0].source=public.orders",
        "tables[0].modee=upsert",
        "kafka.topics.partitions=0",
        "shards[0].prot=5432",
        "sink.replicas=many",
        "supervisor.podDisruptionBudget.maxUnavailable=0",
        "sink.autoscaling.minReplicas=0",
        "connectors.appliedBy=hand",
        "topology.kafka.bootstrap_servers=x",
        "networkPolicy.egressPorts[0]=70000",
    ],
)
def test_the_schema_refuses_what_no_value_may_be(each_helm: Path, flag: str) -> None:
    with pytest.raises(Refused, match="values don't meet the specifications of the schema"):
        render(each_helm, [values_of("minimal")], "--set", flag)
