"""Java's `.properties` files, by the rules of `java.util.Properties.load(Reader)`.

Kafka Connect reads the file of `${file:/path:key}` with that method, in UTF-8, so the same file must
mean the same to both.
"""

import re
from collections.abc import Iterator

_SPACE = " \t\f"
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|[^u])", re.DOTALL)
_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_KEY = re.compile(r"(?:\\.|[^\\=: \t\f])*", re.DOTALL)
_SEPARATOR = re.compile(r"[ \t\f]*[=:]?[ \t\f]*")


def parse(text: str) -> dict[str, str]:
    r"""Read the text of a properties file; the last of several equal keys wins.

    Raises:
        ValueError: a `\u` has no four hexadecimal digits behind it; the message names the line alone.
    """
    found: dict[str, str] = {}
    for number, line in _logical_lines(text):
        key_end = _end(_KEY, line, 0)
        value_start = _end(_SEPARATOR, line, key_end)
        try:
            found[_unescaped(line[:key_end])] = _unescaped(line[value_start:])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Give (number from 1, line) with continuations joined, without comments and blank lines."""
    joined, start = "", 0
    for number, natural in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        line = natural.lstrip(_SPACE)
        if not joined:
            if not line or line[0] in "#!":
                continue
            start = number
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            joined += line[:-1]
            continue
        yield start, joined + line
        joined = ""
    if joined:
        yield start, joined


def _end(pattern: re.Pattern[str], line: str, start: int) -> int:
    found = pattern.match(line, start)
    return found.end() if found else start


def _unescaped(text: str) -> str:
    pieces: list[str] = []
    end = 0
    while (place := text.find("\\", end)) >= 0:
        found = _ESCAPE.match(text, place)
        if found is None:
            raise ValueError(r"\u wants four hexadecimal digits")
        letter = found[1]
        pieces += [text[end:place], chr(int(letter[1:], 16)) if len(letter) > 1 else _LETTERS.get(letter, letter)]
        end = found.end()
    joined = "".join([*pieces, text[end:]])
    # Java's strings are UTF-16: two escapes may be the halves of one character
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
