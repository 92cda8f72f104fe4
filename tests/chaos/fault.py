"""What a scripted fault is."""

from collections.abc import Callable
from dataclasses import dataclass

from chaos.arena import Arena
from chaos.judge import Letter


@dataclass(frozen=True)
class Fault:
    """A fault, and what it may leave behind.

    Attributes:
        name: what happens, in a few words.
        play: makes it happen under load and mends what it broke; returns the proof that it happened.
        letters: the dead letters that belong to it, and what becomes of them.
        stops: the table that it stops for good, on one shard.
        of_sessions: whether it needs a target with lasting connections and transactions.
    """

    name: str
    play: Callable[[Arena], str]
    letters: tuple[Letter, ...] = ()
    stops: str = ""
    of_sessions: bool = False

    def __str__(self) -> str:
        return self.name
