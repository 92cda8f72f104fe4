r"""Lists of a frame as PostgreSQL's array text, such as `{1,NULL,"a \"b\""}`."""

import polars as pl


def array_text(lists: pl.Series, elements: pl.Series) -> pl.Series:
    """Write one-dimensional arrays as PostgreSQL's text.

    Args:
        lists: the lists; a null is a NULL array.
        elements: the elements of all lists that are neither null nor empty, one after another.

    Returns:
        The texts, as many as lists.
    """
    lengths = lists.list.len()
    rows = pl.select(pl.int_range(len(lists), dtype=pl.UInt32)).to_series()
    filled = (lengths > 0).fill_null(value=False)
    owners = (
        pl.Series("row", rows.filter(filled))
        .to_frame()
        .select(pl.col("row").repeat_by(lengths.filter(filled)).explode())
    )
    joined = (
        owners.with_columns(_element_text(elements).alias("text"))
        .group_by("row", maintain_order=True)
        .agg(pl.col("text").str.join(","))
    )
    whole = pl.DataFrame({"row": rows, "length": lengths}).join(joined, on="row", how="left", maintain_order="left")
    text = pl.concat_str(pl.lit("{"), pl.col("text").fill_null(""), pl.lit("}"))
    return whole.select(pl.when(pl.col("length").is_not_null()).then(text).alias(lists.name)).to_series()


def _element_text(elements: pl.Series) -> pl.Series:
    if elements.dtype == pl.Binary:
        elements = ("\\x" + elements.bin.encode("hex")).alias(elements.name)
    if elements.dtype == pl.String:
        escaped = elements.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
        elements = '"' + escaped + '"'
    else:
        elements = elements.cast(pl.String)
    return elements.fill_null("NULL")
