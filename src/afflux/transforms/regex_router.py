"""Kafka Connect's RegexRouter: a topic whose whole name matches is renamed."""

import re

from afflux.topology.regex import compiled


class RegexRouter:
    r"""Renames topics.

    Args:
        regex: matched against the whole name, as `java.util.regex` does for this transform.
        replacement: with `$1` or `${name}` for groups, and `\` before a character meant as itself.

    Raises:
        ValueError: the expression or the replacement is wrong; the message says where.
    """

    def __init__(self, regex: str, replacement: str) -> None:
        try:
            self._regex = compiled(regex)
        except ValueError as error:
            raise ValueError(f"regex {regex!r}: {error}") from None
        self._replacement = _python_replacement(replacement, self._regex)

    def rename(self, topic: str) -> str:
        """Give the name that a topic's records go on under."""
        match = self._regex.fullmatch(topic)
        return match.expand(self._replacement) if match else topic


_JAVA_PIECE = re.compile(r"\\(?P<literal>.)|\$(?P<number>\d+)|\$\{(?P<name>[A-Za-z]\w*)\}|(?P<bad>\$|\\$)", re.DOTALL)


def _python_replacement(java: str, regex: re.Pattern[str]) -> str:
    """Rewrite Java's replacement in Python's words (the rules of Matcher.appendReplacement)."""
    pieces: list[str] = []
    end = 0
    for found in _JAVA_PIECE.finditer(java):
        pieces.append(_literal(java[end : found.start()]))
        end = found.end()
        match found.lastgroup:
            case "literal":
                pieces.append(_literal(found["literal"]))
            case "number":
                pieces.append(_numbered_group(found["number"], regex.groups, java))
            case "name":
                if found["name"] not in regex.groupindex:
                    raise ValueError(f"replacement {java!r}: the regex has no group named {found['name']!r}")
                pieces.append(rf"\g<{found['name']}>")
            case _ if found["bad"] == "\\":
                raise ValueError(f"replacement {java!r}: a '\\\\' at its end wants a character behind it")
            case _:
                raise ValueError(f"replacement {java!r}: '$' wants a group behind it; write '\\$' for the character")
    return "".join([*pieces, _literal(java[end:])])


def _numbered_group(digits: str, groups: int, java: str) -> str:
    """Take as many digits as name a group that exists, as Java does; the rest is text."""
    taken = digits[0]
    if int(taken) > groups:
        raise ValueError(f"replacement {java!r}: the regex has {groups} group(s), and no ${taken}")
    for digit in digits[1:]:
        if int(taken + digit) > groups:
            break
        taken += digit
    return rf"\g<{taken}>" + digits[len(taken) :]


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\")
