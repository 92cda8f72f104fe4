"""Contests that last, in memory."""

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from afflux.sinks.collisions import Collision, Contest
from afflux.sinks.memory_store import Memory


def judge(memory: Memory, window: timedelta, shards: Collection[str]) -> list[Collision]:
    """See `SinkState.judge_contests`."""
    known = memory.contests
    now = {(each.table, each.key): each for each in _contests(memory)}
    memory.contests = {at: known.get(at, Contest(each)) for at, each in now.items()}
    new = []
    for at, contest in memory.contests.items():
        if not contest.lasts and all(
            _passed(memory, s, contest.of.since + window) for s in contest.of.shards if s in shards
        ):
            memory.contests[at] = Contest(contest.of, lasts=True)
            new.append(contest.of)
    return new


def listed(memory: Memory) -> list[Collision]:
    """See `SinkState.collisions`."""
    return [contest.of for _, contest in sorted(memory.contests.items()) if contest.lasts]


def _contests(memory: Memory) -> list[Collision]:
    return [
        Collision(
            str(table),
            json.dumps([str(value) for value in key]),
            tuple(sorted(versions)),
            max(datetime.fromtimestamp(row["_source_ts"] / 1e6, UTC) for row in versions.values()),
        )
        for table, rows in memory.tables.items()
        if table not in memory.with_shard
        for key, versions in rows.items()
        if len(versions) > 1
    ]


def _passed(memory: Memory, shard: str, time: datetime) -> bool:
    mark = memory.watermarks.get(shard)
    return mark is not None and mark.time is not None and mark.time >= time
