"""RegexRouter renames as Kafka Connect's does (the rules of java.util.regex.Matcher.appendReplacement)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.transforms.regex_router import RegexRouter


@pytest.mark.parametrize(
    ("regex", "replacement", "topic", "renamed"),
    [
        (r"shard[0-9]+\.(.*)", "$1", "shard7.public.orders", "public.orders"),
        (r"shard[0-9]+\.(.*)", "$1", "other.public.orders", "other.public.orders"),
        (r"shard", "x", "shard7.public.orders", "shard7.public.orders"),
        (r"(?<shard>\w+)\.(.*)", "${shard}_$2", "a.b.c", "a_b.c"),
        (r"(a)(b)", "$2$1$0", "ab", "baab"),
        (r"(a)", "$12", "a", "a2"),
        (r"a", r"\$1\\", "a", "$1\\"),
        (r"(a)?b", "<$1>", "b", "<>"),
    ],
)
def test_a_topic_is_renamed_as_connect_would(regex: str, replacement: str, topic: str, renamed: str) -> None:
    assert RegexRouter(regex, replacement).rename(topic) == renamed


@pytest.mark.parametrize(
    ("regex", "replacement", "message"),
    [
        ("(", "x", "regex"),
        ("a", "$1", "0 group"),
        ("a", "${n}", "named 'n'"),
        ("a", "$", "wants a group"),
        ("a", "\\", "at its end"),
    ],
)
def test_what_connect_would_refuse_is_refused(regex: str, replacement: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RegexRouter(regex, replacement)


@given(st.text(max_size=20))
def test_a_replacement_without_groups_is_itself(text: str) -> None:
    quoted = text.replace("\\", r"\\").replace("$", r"\$")
    assert RegexRouter(".*", quoted).rename("any") == text
