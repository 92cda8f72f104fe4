"""Masks: the same value always the same mask, and nothing of it but what is meant to stay."""

import hashlib
import hmac

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.transforms.masks import Mask, masked
from afflux.types.postgres import PgType

KEY = b"a key"
HASH, PARTIAL, REMOVE = Mask("hash", key=KEY), Mask("partial", keep=4), Mask("remove")
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(st.none() | TEXTS))
def test_a_frame_is_masked_as_each_of_its_values(values: list[str | None]) -> None:
    for mask in (HASH, PARTIAL, REMOVE):
        found = mask.apply(pl.Series("v", values, dtype=pl.String))
        assert found.to_list() == [mask.text(value) for value in values]
        assert found.name == "v"


@given(TEXTS, st.binary(max_size=200))
def test_a_hash_is_hmac_sha_256_and_can_be_made_from_its_pads_alone(text: str, key: bytes) -> None:
    mask = Mask("hash", key=key)
    inner, outer = mask.pads()
    by_pads = hashlib.sha256(outer + hashlib.sha256(inner + text.encode()).digest()).hexdigest()
    assert mask.text(text) == by_pads == hmac.new(key, text.encode(), "sha256").hexdigest()


@pytest.mark.parametrize(
    ("text", "seen"), [("4111111111111234", "************1234"), ("1234", "****"), ("", ""), ("ÄÖÜ\u00e9x", "*ÖÜéx")]
)
def test_of_a_partial_mask_the_last_characters_stay_and_of_short_texts_none(text: str, seen: str) -> None:
    assert PARTIAL.text(text) == seen


def test_numbers_are_masked_as_postgresql_writes_them() -> None:
    assert HASH.apply(pl.Series([-7, None, 12], dtype=pl.Int64)).to_list() == [HASH.text("-7"), None, HASH.text("12")]


def test_types_whose_text_is_not_certain_are_not_hashed_and_any_may_be_removed() -> None:
    for name in ("numeric", "timestamptz", "bytea", "jsonb", "bpchar", "float8"):
        assert not HASH.fits(PgType(name))
        assert REMOVE.fits(PgType(name))
    assert not PARTIAL.fits(PgType("text", array=True))
    assert HASH.fits(PgType("text"))


def test_other_columns_and_the_order_stay() -> None:
    rows = pl.DataFrame({"id": [2, 1], "a": ["x", "y"], "b": ["p", "q"]})
    found = masked(rows, {"a": REMOVE, "gone": HASH})
    assert found.columns == ["id", "a", "b"]
    assert found.rows() == [(2, None, "p"), (1, None, "q")]


def test_a_key_is_shown_nowhere() -> None:
    assert "a key" not in repr(HASH)
