"""A column's type in the words of the database itself; values come and go as its driver has them."""

from typing import Any

from sqlalchemy.types import UserDefinedType


class Declared(UserDefinedType[Any]):
    """A type by its declaration.

    Args:
        words: such as `DECIMAL(12, 4)`.
    """

    cache_ok = True

    def __init__(self, words: str) -> None:
        self.words = words

    def get_col_spec(self, **_: Any) -> str:
        """Give the declaration."""
        return self.words
