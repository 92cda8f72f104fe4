"""The parts of the stack: one file a kind of server, and here the list of them."""

from afflux.stack.parts.base import Part
from afflux.stack.parts.connect import Connect
from afflux.stack.parts.kafka import Kafka
from afflux.stack.parts.postgres import RegistryStorage, Shard, Warehouse
from afflux.stack.parts.registry import Registry
from afflux.stack.state import State


def parts_of(state: State) -> list[Part]:
    """Return every part that the stack consists of, running or not."""
    return [
        Kafka("kafka", state),
        RegistryStorage("registry-db", state),
        Registry("registry", state),
        *(Connect(f"connect-{number}", state) for number in range(state.spec.workers)),
        *(Shard(f"shard{number}", state) for number in range(state.spec.shards)),
        Warehouse("warehouse", state),
    ]
