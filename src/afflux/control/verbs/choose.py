"""Which shards are meant: names and patterns against those that there are (pure)."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from afflux.control.planned.changes import some_of
from afflux.errors import UsageError


def choose(patterns: Collection[str], known: Iterable[str], *, what: str = "shard") -> list[str]:
    """Return the names that are meant, in the order in which they are known.

    Args:
        patterns: names; `*` stands for any characters, `?` for one, `[ab]` for one of some.
        known: the names that there are.
        what: what they are names of, for messages.

    Raises:
        UsageError: a pattern is for none of them.
    """
    names = list(known)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = get_close_matches(pattern, names, n=1)
            raise UsageError(
                f"there is no {what} {pattern!r}",
                hint=f"Did you mean {near[0]}?" if near else f"There are {some_of(sorted(names), 10) or 'none'}.",
            )
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
