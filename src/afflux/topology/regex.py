"""Regular expressions that mean the same to Java, which Debezium and Connect are, and to afflux."""

import re
import warnings
from functools import cache

_NAMED_GROUP = re.compile(r"(?<!\\)((?:\\\\)*)\(\?<(?=[A-Za-z])")
_PYTHON_ALONE = re.compile(r"(?<!\\)(?:\\\\)*(\(\?P[<=>]|\(\?\(|\(\?#)")


@cache
def compiled(text: str) -> re.Pattern[str]:
    r"""Compile an expression in Java's syntax; `\w`, `\d` and the like are ASCII, as in Java.

    Raises:
        ValueError: it is wrong, or one of the two languages does not know it.
    """
    alone = _PYTHON_ALONE.search(text)
    if alone:
        raise ValueError(f"{alone[1]} is Python's and not Java's; a named group is (?<name>...)")
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            pattern = re.compile(_NAMED_GROUP.sub(r"\1(?P<", text), re.ASCII)
    except re.error as error:
        raise ValueError(str(error)) from None
    if warned:
        raise ValueError("sets within sets, such as [a-z&&[^b]], mean other things to Java")
    return pattern
