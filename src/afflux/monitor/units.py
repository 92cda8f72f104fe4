"""Numbers as people say them."""

import math

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_PREFIXES = ("", "K", "M", "G", "T", "P")


def in_words(value: float, unit: str) -> str:
    """Write a number.

    Args:
        value: the number.
        unit: `seconds`, `bytes`, `share` (of 1) or `count`.
    """
    match unit:
        case "seconds":
            return duration(value)
        case "bytes":
            return size(value)
        case "share":
            return f"{value:.0%}"
        case _:
            return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Write a time by its two largest units: `3d 4h`, `5m 10s`, `0.4s`; `never` for an infinite one."""
    if math.isinf(seconds):
        return "never"
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    rest = round(seconds)
    parts: list[tuple[int, str]] = []
    for length, letter in _STEPS:
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append((count, letter))
    return " ".join(f"{count}{letter}" for count, letter in parts[:2] if count)


def size(count: float) -> str:
    """Write bytes: `12 B`, `3.4 MiB`."""
    if math.isinf(count):
        return "unlimited"
    step = 0
    while abs(count) >= 1024 and step < len(_PREFIXES) - 1:
        count, step = count / 1024, step + 1
    return f"{count:.0f} B" if step == 0 else f"{count:.1f} {_PREFIXES[step]}iB"
