"""What is said of a position that its topic does not hold: never silently begun elsewhere. Pure."""

from afflux.errors import TableError
from afflux.sinks.batch import Partition, Span

HEADLESS = "the head of its topic was deleted before this sink came"
"""What is said of a topic that would be begun with a hole; by it those are known that are to be filled."""

_GO_ON = "`afflux tables resync {topic}` has the table read anew, and goes on"


def recreated(topic: str) -> TableError:
    """Say that a topic is another one than that whose positions the target has."""
    return TableError(
        f"topic {topic} was deleted and made anew: the position in the target is of the old one",
        topic=topic,
        hint=_GO_ON.format(topic=topic),
    )


def out_of_range(partition: Partition, position: int, holds: Span | None) -> TableError:
    """Say that a position is before the start or behind the end of its partition.

    Args:
        partition: which.
        position: the next offset, as the target has it.
        holds: the offsets that the partition holds; None where the broker does not say.
    """
    place = f"topic {partition.topic}, partition {partition.number}"
    if position == 0 and holds is not None and holds.start > 0:
        return TableError(
            f"{place} begins at {holds.start}: {HEADLESS}",
            topic=partition.topic,
            hint="a snapshot fills it, of a large table when you say so: `afflux tables resync`",
        )
    stands = f"{place}: the next offset is {position}"
    if holds is None:
        why = "which the topic does not hold any more"
    elif position < holds.start:
        why = f"and the topic begins at {holds.start}"
    else:
        why = f"and the topic ends at {holds.end}: it was made anew, or has lost events"
    return TableError(
        f"{stands}, {why}",
        topic=partition.topic,
        hint=_GO_ON.format(topic=partition.topic),
    )
