"""Placeholder until its room is built."""


def schema() -> None:
    """Not built yet."""
