from hypothesis import given
from hypothesis import strategies as st

from afflux.stack import java
from afflux.topology.properties import parse

VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: text == text.strip())


@given(VALUES)
def test_a_value_survives_javas_properties_format(value: str) -> None:
    text = java.properties({"key": value})
    assert text.isascii()
    assert parse(text) == {"key": value}
