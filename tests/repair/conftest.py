"""The longer tests of repair, on the stack that integration tests share: `make repair`."""

from integration.conftest import addresses, stack

__all__ = ["addresses", "stack"]
