r"""PostgreSQL's array text, such as `{1,NULL,"a \"b\""}`: lists of a frame written so, and read from it."""

import polars as pl

_PLAIN = r'^\{[^{}"\\]*\}$'
"""An array of one dimension in which nothing is quoted."""


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


def elements(texts: pl.Series) -> pl.Series:
    """Read arrays' elements, each as PostgreSQL's text.

    Args:
        texts: arrays as PostgreSQL's text; a null is a NULL array.

    Returns:
        A list of texts each, with nulls for NULL; null for what is no array of one dimension that begins at 1.
    """
    plain = texts.str.contains(_PLAIN).fill_null(value=False)
    inside = texts.set(~plain, None).str.slice(1).str.strip_suffix("}")
    lists = inside.str.split(",")
    empty = pl.Series("", [[]], dtype=pl.List(pl.String))
    frame = pl.DataFrame({"lists": lists, "inside": inside}).select(
        pl.when(pl.col("inside") == "")
        .then(pl.lit(empty).first())
        .otherwise(pl.col("lists").list.eval(pl.when(pl.element() != "NULL").then(pl.element())))
        .alias(texts.name)
    )
    found = frame.to_series()
    rest = ~plain & texts.is_not_null()
    if not rest.any():
        return found
    read = [_elements(text) if odd else known for text, odd, known in zip(texts, rest, found, strict=True)]
    return pl.Series(texts.name, read, dtype=pl.List(pl.String))


def _elements(text: str) -> list[str | None] | None:
    """Read one array element by element; None if it is not one of one dimension that begins at 1."""
    if not (text.startswith("{") and text.endswith("}")):
        return None
    found: list[str | None] = []
    inside, at = text[1:-1], 0
    while at <= len(inside):
        element, quoted = "", inside[at : at + 1] == '"'
        at += quoted
        while at < len(inside) and inside[at] != ('"' if quoted else ","):
            if inside[at] in "{}" and not quoted:
                return None
            at += inside[at] == "\\"
            element += inside[at : at + 1]
            at += 1
        at += quoted
        if at < len(inside) and inside[at] != ",":
            return None
        found.append(element if quoted or element != "NULL" else None)
        at += 1
    return found
