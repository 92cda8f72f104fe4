"""Text from elsewhere, made fit for a terminal: what it can do is be read.

Names and values of sources may hold what a terminal obeys (escape sequences, ECMA-48), what forges lines, and what turns
the direction of writing (Unicode Standard Annex 9, "Trojan Source"). Such characters are shown by their numbers.
"""

import re

_LINES = "\n\t"
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u06dd\u070f\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Controls, formats (but the two joiners, which words and pictures need), separators of lines, halves of surrogates."""
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str, *, lines: bool = False) -> str:
    r"""Write a text so that a terminal shows it and obeys none of it; what is fit stays as it is.

    Args:
        text: any, with names and values of others in it.
        lines: whether its line breaks and tabs are meant, and stay.

    Returns:
        The text, with `\n`, `\x1b`, `\u202e` and such in the place of what is unfit.
    """
    return _UNFIT.sub(lambda found: _kept(found[0]) if lines else _shown(found[0]), text)


def _kept(character: str) -> str:
    return character if character in _LINES else _shown(character)


def _shown(character: str) -> str:
    number = ord(character)
    if number > 0xFFFF:
        return f"\\U{number:08x}"
    return _NAMED.get(character) or (f"\\u{number:04x}" if number > 0xFF else f"\\x{number:02x}")
