"""The shards that a sink has read from, in memory."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from afflux.sinks.memory_store import Memory
from afflux.sinks.shards import GoneShard, SeenShard


def note(memory: Memory, shards: Mapping[str, str]) -> list[GoneShard]:
    """See `SinkState.note_shards`."""
    now = datetime.now(UTC)
    memory.shards.update({name: SeenShard(prefix, now) for name, prefix in shards.items()})
    gone = {name: of for name, of in sorted(memory.shards.items()) if name not in shards}
    return [GoneShard(name, of.prefix, of.seen, of.decision, of.done) for name, of in gone.items()]


def decide(memory: Memory, shard: str, decision: str, unseen: timedelta) -> bool:
    """See `SinkState.decide_shard`."""
    known = memory.shards.get(shard)
    if known is None or known.decision or known.seen >= datetime.now(UTC) - unseen:
        return False
    memory.shards[shard] = replace(known, decision=decision)
    return True


def close(memory: Memory, shard: str, topics: Collection[str]) -> None:
    """See `SinkState.close_shard`."""
    for of in (memory.offsets, memory.epochs, memory.owners, memory.topic_ids):
        for partition in [partition for partition in of if partition.topic in topics]:
            del of[partition]
    for topic in topics:
        memory.stopped.pop(topic, None)
        memory.resyncs.pop(topic, None)
    if shard in memory.shards and memory.shards[shard].decision:
        memory.shards[shard] = replace(memory.shards[shard], done=True)
