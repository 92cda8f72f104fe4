"""The expectations beside the texts are what java.util.Properties.load gave for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.topology.properties import parse


@pytest.mark.parametrize(
    ("text", "java"),
    [
        ("a=b", {"a": "b"}),
        ("a:b", {"a": "b"}),
        ("a b", {"a": "b"}),
        ("a = b ", {"a": "b "}),
        ("  a\t:  =b", {"a": "=b"}),
        ("a", {"a": ""}),
        ("a==b:c", {"a": "=b:c"}),
        ("# a=b\n ! c=d\n\n \t\f\ne=f", {"e": "f"}),
        ("a=b # no comment", {"a": "b # no comment"}),
        ("a\\=b\\:c\\ d=e", {"a=b:c d": "e"}),
        ("a=one \\\n   two\\\r\n\tthree", {"a": "one twothree"}),
        ("a=b\\\\\nc=d", {"a": "b\\", "c": "d"}),
        ("a=b\\\n# c", {"a": "b# c"}),
        ("a=b\\\n\nc=d", {"a": "b", "c": "d"}),
        ("a=b\\", {"a": "b"}),
        ("\\\n# a\nb=c", {"b": "c"}),
        ('a=\\t\\n\\r\\f\\q\\"', {"a": '\t\n\r\fq"'}),
        ("a=\\u0041\\uD83D\\uDE00", {"a": "A😀"}),
        ("a=1\ra=2\r\na=3", {"a": "3"}),
        ("a=é\u2028b", {"a": "é\u2028b"}),
        ("", {}),
    ],
)
def test_it_reads_what_java_reads(text: str, java: dict[str, str]) -> None:
    assert parse(text) == java


@pytest.mark.parametrize("text", ["a=\\u12", "a=\\uXYZW", "b=1\n\\u=2"])
def test_a_broken_unicode_escape_is_refused_by_line_alone(text: str) -> None:
    with pytest.raises(ValueError, match=r"^line [12]: \\u wants four hexadecimal digits$"):
        parse(text)


def escaped(text: str) -> str:
    """As java.util.Properties.store writes."""
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n] * 256 + units[n + 1]:04x}" for n in range(0, len(units), 2))


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_whatever_is_escaped_comes_back(values: dict[str, str]) -> None:
    assert parse("".join(f"{escaped(key)} = {escaped(value)}\n" for key, value in values.items())) == values


@given(st.text().map(lambda text: text.replace("\\u", "")))
def test_any_text_without_unicode_escapes_can_be_read(text: str) -> None:
    assert all(isinstance(value, str) for value in parse(text).values())
