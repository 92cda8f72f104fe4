"""Made-up shards: how much WAL they write, and what their slots release, a point every ten seconds."""

import random
from collections.abc import Callable, Iterator

from afflux.monitor.forecast import Point

STEP = 10.0
MB = 1e6
Load = Callable[[random.Random], Iterator[float]]
"""Bytes written in each step."""


def steady(chance: random.Random) -> Iterator[float]:
    rate = chance.uniform(0.5, 20) * MB
    while True:
        yield max(0.0, chance.gauss(rate, rate * 0.15)) * STEP


def bursty(chance: random.Random) -> Iterator[float]:
    """Some minutes of much, some minutes of little."""
    much, little = chance.uniform(5, 50) * MB, chance.uniform(0, 1) * MB
    on, off = chance.uniform(20, 240), chance.uniform(20, 240)
    busy = chance.random() < on / (on + off)
    while True:
        for _ in range(max(1, round(chance.expovariate(1 / (on if busy else off)) / STEP))):
            yield max(0.0, chance.gauss(1, 0.2)) * (much if busy else little) * STEP
        busy = not busy


def nightly(chance: random.Random) -> Iterator[float]:
    """A steady load, and a great job at the same minute again and again."""
    rate, job, every = chance.uniform(0.5, 5) * MB, chance.uniform(500, 3000) * MB, chance.randrange(30, 60)
    step = chance.randrange(every)
    while True:
        step += 1
        yield max(0.0, chance.gauss(rate, rate * 0.2)) * STEP + (job if step % every == 0 else 0)


def swelling(chance: random.Random) -> Iterator[float]:
    """A load that wanders up and down over the hours."""
    rate = chance.uniform(2, 10) * MB
    level = 1.0
    while True:
        level = min(2.0, max(0.5, level + chance.gauss(0, 0.02)))
        yield max(0.0, chance.gauss(level, 0.3)) * rate * STEP


LOADS: dict[str, Load] = {"steady": steady, "bursty": bursty, "nightly": nightly, "swelling": swelling}


def healthy(load: Iterator[float], steps: int, chance: random.Random, start: Point) -> Iterator[Point]:
    """A slot that is read: every 15 to 30 s it is moved to where the shard was shortly before."""
    at, written, released = start
    behind, due = written, 2
    for step in range(steps):
        at, before, written = at + STEP, written, written + next(load)
        if step >= due:
            released, behind, due = max(released, behind), before, step + chance.choice((1, 2, 3))
        yield Point(at, written, released)


def stalled(load: Iterator[float], steps: int, start: Point) -> Iterator[Point]:
    """A slot that nobody reads."""
    at, written, released = start
    for _ in range(steps):
        at, written = at + STEP, written + next(load)
        yield Point(at, written, released)


def slower(load: Iterator[float], steps: int, share: float, chance: random.Random, start: Point) -> Iterator[Point]:
    """A reader that releases only a share of what is written."""
    at, written, released = start
    for _ in range(steps):
        more = next(load)
        at, written = at + STEP, written + more
        released += more * share * chance.uniform(0.7, 1.3)
        yield Point(at, written, min(released, written))


def draining(load: Iterator[float], steps: int, speed: float, chance: random.Random, start: Point) -> Iterator[Point]:
    """A reader that works a backlog off, faster than new work comes."""
    at, written, released = start
    for _ in range(steps):
        more = next(load)
        at, written = at + STEP, written + more
        released = min(written, released + more + speed * STEP * chance.uniform(0.3, 1.7))
        yield Point(at, written, released)
