"""The contract between the stream and a target.

A sink keeps its own state beside its data: where it stands in each partition, and who may move that.
`apply` is the whole promise: rows and positions become durable together, or nothing does.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping

from afflux.sinks.batch import Batch, Emptied, EventKey, LetterId, Mark, Partition


class Sink(ABC):
    """A target. One instance is used by one thread at a time."""

    name: str

    @abstractmethod
    def open(self) -> None:
        """Connect, and bring the sink's own state into being.

        Raises:
            SinkError: the target can't be used; `transient` when it may be later.
        """

    @abstractmethod
    def claim(
        self, partitions: Iterable[Partition], topic_ids: Mapping[str, str] | None = None
    ) -> dict[Partition, int]:
        """Take partitions over from whoever had them, and return the next offset of each.

        From now on a batch of any other worker on one of these partitions is refused.
        A partition never seen before stands at 0.

        Args:
            partitions: which.
            topic_ids: the broker's ids of their topics. They are remembered with positions that have none yet;
                `recreated` tells which differ.

        Raises:
            SinkError: the target did not answer.
        """

    @abstractmethod
    def apply(self, batch: Batch) -> None:
        """Make a batch durable: its rows and its positions, together.

        Returning means that it is durable. Applying a batch that was durable already changes nothing.

        Raises:
            Fenced: another worker has claimed one of the partitions since; nothing was written.
            Overtaken: a dead letter or a resynchronisation is no longer as the batch takes it to be; nothing was
                written.
            RefusedError: a row's values are refused; nothing was written.
            TableError: a table can't be written at all; nothing was written.
            SinkError: nothing was written, or (when `transient`) it is not known; apply it again.
        """

    @abstractmethod
    def recreated(self, topic_ids: Mapping[str, str]) -> frozenset[str]:
        """Give those of some topics whose positions are in another topic of the same name, by the broker's ids."""

    @abstractmethod
    def rewound(self) -> frozenset[Partition]:
        """Give the partitions whose positions a person has changed, and that nobody has claimed since."""

    @abstractmethod
    def open_dead_letters(self) -> dict[LetterId, EventKey]:
        """Give the dead letters with a key which are open: neither superseded, replayed nor discarded."""

    def emptied(self) -> dict[Emptied, int]:
        """Give the commit times of the newest truncates that batches have said, in microseconds since 1970."""
        return {}

    @abstractmethod
    def stop_table(self, topic: str, reason: str) -> None:
        """Remember that a topic is not read on, and why; `resume` is by a person."""

    @abstractmethod
    def stopped_tables(self) -> dict[str, str]:
        """Give the topics that are not read on, with the reasons."""

    @abstractmethod
    def pass_marks(self, marks: Collection[Mark], shards: Collection[str]) -> list[Mark]:
        """Move the watermarks of shards to those of some marks that all of their positions have reached.

        Any worker may say so, for positions are the target's. Stopped topics are left out, and so are those that
        could not be read anew; they are named beside the watermark, with the number of open dead letters. Where a
        table is being read anew, or stands in another topic of the same name, nothing is reached. No watermark
        goes back.

        Args:
            marks: of the shards.
            shards: those there are: ones without a watermark are known to have none yet, those of others go.

        Returns:
            The marks that are passed.

        Raises:
            SinkError: the target did not answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the target. What was not applied is not."""
