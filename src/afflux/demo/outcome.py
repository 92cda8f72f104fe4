"""What the demo ends with."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Outcome:
    """The last line on standard output.

    Attributes:
        shards: how many there were in the end.
        events: change events applied to the target, the first copies' among them.
        source_rows: rows on all shards together in the end.
        target_rows: rows in the target in the end.
        equal: whether they are the same, value for value.
        events_per_second: applied from the load's first change until its last one was in the target.
        freshness_p50_ms: from the commit at the source to the write in the target, of rows that the load changed.
        freshness_p99_ms: likewise.
        seconds: the whole of it, from nothing to all taken down.
    """

    shards: int
    events: int
    source_rows: int
    target_rows: int
    equal: bool
    events_per_second: float
    freshness_p50_ms: float
    freshness_p99_ms: float
    seconds: float

    def as_json(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))
