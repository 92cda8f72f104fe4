"""The whole real stack on one machine, from packages: broker, Connect, registry, PostgreSQL."""

from afflux.stack.addresses import Addresses, ShardAddress
from afflux.stack.stack import PartStatus, Stack

__all__ = ["Addresses", "PartStatus", "ShardAddress", "Stack"]
