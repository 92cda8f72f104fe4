"""Placeholder until its room is built."""


def run() -> None:
    """Not built yet."""
