"""The targets that the demo can copy into."""

from afflux.demo.target import Target
from afflux.topology.sinks import Kind


def target_of(kind: Kind) -> type[Target]:
    """Give a kind of target; what it needs of libraries is looked for only then."""
    match kind:
        case Kind.DELTA:
            from afflux.demo.lake import Lake  # noqa: PLC0415 - as said

            return Lake
        case Kind.DUCKDB:
            from afflux.demo.database import DuckDb  # noqa: PLC0415 - likewise

            return DuckDb
        case Kind.SQLITE:
            from afflux.demo.database import Sqlite  # noqa: PLC0415 - likewise

            return Sqlite
        case Kind.POSTGRESQL:
            from afflux.demo.warehouse import Warehouse  # noqa: PLC0415 - likewise

            return Warehouse
