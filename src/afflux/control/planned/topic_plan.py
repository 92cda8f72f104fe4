"""What there is to do about topics (pure)."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from afflux.clients.topics import Topic
from afflux.control.planned.actions import Action, CreateTopics, Refusal, Risk, SetTopic
from afflux.control.planned.changes import Change, difference, some_of

_FOREVER: Final = -1
_Set = dict[str, str]


def topic_steps(
    shard: str, wanted: Collection[Topic], existing: Mapping[str, Topic], leave: Collection[Risk]
) -> Iterator[Action | Refusal]:
    """Yield what makes topics as they should be, and what is left as it is.

    Args:
        shard: whose they are; empty for all shards'.
        wanted: the topics that should be there.
        existing: those that are, by name; with the settings of their own, and those that bind them.
        leave: the risks that may be taken.
    """
    missing = tuple(topic for topic in wanted if topic.name not in existing)
    if missing:
        what = f"topic {some_of([topic.name for topic in missing], 1)}"
        reason = "they are missing" if len(missing) > 1 else "it is missing"
        yield CreateTopics(shard=shard, object=what, reason=reason, topics=missing)
    for topic in wanted:
        if found := existing.get(topic.name):
            yield from _settings(shard, topic, found, leave)
            yield from _shape(shard, topic, found)


def _settings(shard: str, topic: Topic, found: Topic, leave: Collection[Risk]) -> Iterator[Action | Refusal]:
    what, have = f"topic {topic.name}", found.config
    new: _Set = {}
    reasons = []
    if "compact" in have.get("cleanup.policy", ""):
        new["cleanup.policy"] = "delete"
        reasons.append("compaction removes rows that later updates stand on")
    if int(have.get("max.message.bytes", 0)) < int(topic.config["max.message.bytes"]):
        new["max.message.bytes"] = topic.config["max.message.bytes"]
        reasons.append("a larger row would stop the connector")
    for key in ("min.insync.replicas", "retention.ms"):
        if key in topic.config and have.get(key) != topic.config[key]:
            new[key] = topic.config[key]
            reasons.append("as the topology wants it")
    shorter = "retention.ms" in new and _shorter(new["retention.ms"], have.get("retention.ms"))
    if shorter and Risk.DATA_LOSS not in leave:
        old = {"retention.ms": have["retention.ms"]}
        yield Refusal(
            shard=shard,
            object=what,
            kind=SetTopic.kind,
            reason="a shorter retention removes records that a sink may not have read yet",
            hint="Look at `afflux positions show` first.",
            risk=Risk.DATA_LOSS,
            changes=tuple(difference(old, {"retention.ms": new.pop("retention.ms")})),
        )
    if new:
        reason = "; ".join([*dict.fromkeys(reasons), *(["records go sooner"] if shorter else [])])
        risk = Risk.DATA_LOSS if "retention.ms" in new and shorter else Risk.NONE
        yield SetTopic(shard=shard, object=what, reason=reason, risk=risk, topic=topic.name, old=have, new=new)


def _shorter(new: str, old: str | None) -> bool:
    if old is None or int(new) == _FOREVER:
        return False
    return int(old) == _FOREVER or int(new) < int(old)


def _shape(shard: str, topic: Topic, found: Topic) -> Iterator[Refusal]:
    """What can't be changed on a topic that has records."""
    if found.partitions != topic.partitions:
        yield Refusal(
            shard=shard,
            object=f"topic {topic.name}",
            kind=SetTopic.kind,
            reason=f"it has {found.partitions} partitions and is taken as it is: with another number keys move, and"
            " the order of their changes is lost",
            hint=f"It works with any number. To be rid of this: `kafka.topics.partitions: {found.partitions}`,"
            " or begin with a new topic (remove the shard with its offsets, delete the topic, apply).",
            changes=(Change("partitions", str(found.partitions), str(topic.partitions)),),
        )
    if topic.replication is not None and found.replication != topic.replication:
        yield Refusal(
            shard=shard,
            object=f"topic {topic.name}",
            kind=SetTopic.kind,
            reason=f"it has {found.replication} copies; which brokers shall hold more or fewer is for you to say",
            hint="kafka-reassign-partitions.sh of Kafka changes it.",
            changes=(Change("replication", str(found.replication), str(topic.replication)),),
        )
