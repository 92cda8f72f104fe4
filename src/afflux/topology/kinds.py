"""The kinds of shards that connectors can be made for: one line here, and one template in `connectors/`."""

from typing import Final

KINDS: Final[dict[str, str]] = {"postgresql": "debezium-postgresql.json"}
"""`source.kind` -> the template of its connectors' config."""


def kind_complaint(kind: str) -> str | None:
    """Say why a kind can't be a topology's; None for one that is in `KINDS`."""
    if kind in KINDS:
        return None
    return f"{kind!r} is not in this version; there is {' and '.join(repr(known) for known in KINDS)}"
