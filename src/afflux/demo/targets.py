"""The targets that the demo can copy into, by the types of sinks."""

from afflux.demo.target import Target
from afflux.topology.sinks import SinkType


def target_of(kind: SinkType) -> type[Target]:
    """Give a kind of target; what it needs of libraries is looked for only then."""
    match kind:
        case SinkType.DELTA:
            from afflux.demo.lake import Lake  # noqa: PLC0415 - as said

            return Lake
        case SinkType.POSTGRESQL:
            from afflux.demo.warehouse import Warehouse  # noqa: PLC0415 - likewise

            return Warehouse
