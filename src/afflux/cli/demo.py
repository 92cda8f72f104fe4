"""Placeholder until its room is built."""


def demo() -> None:
    """Not built yet."""
