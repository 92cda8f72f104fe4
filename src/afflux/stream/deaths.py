"""How many dead letters a table may have: more of them in a while, and its data or its schema is at fault."""

import time
from collections import defaultdict
from collections.abc import Callable

from afflux.sinks.batch import DeadLetter, LetterId
from afflux.topology.model import OnError


class Deaths:
    """Counts the dead letters of each topic, which is one table of one shard.

    Args:
        policy: gives what the topology says of a topic.
        clock: gives the time in seconds.
    """

    def __init__(self, policy: Callable[[str], OnError], clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._times: dict[str, dict[LetterId, float]] = defaultdict(dict)

    def count(self, letter: DeadLetter) -> str:
        """Count a dead letter, once however often its batch is made again; one too many is not counted.

        Returns:
            Why the topic has to stop before it; empty when it may go on.
        """
        policy, now, times = self._policy(letter.partition.topic), self._clock(), self._times[letter.partition.topic]
        begin = now - policy.window_seconds
        while times and times[oldest := next(iter(times))] < begin:  # they stand in the order in which they came
            del times[oldest]
        if letter.id in times or len(times) < policy.most:
            times.setdefault(letter.id, now)
            return ""
        allowed = f"more than {policy.most} dead letters within {policy.window}" if policy.most else "a dead letter"
        return f"{allowed}; the next is {letter.id}: {letter.kind}: {letter.reason}"

    def forget(self, topic: str) -> None:
        """Begin to count anew."""
        self._times.pop(topic, None)
