"""Masks that are made at the source: what the connector is told, and what can't stand beside it (pure).

Debezium's own masks are refused: beside every type's exact form its hashes were seen to leave values in clear, its
truncation cuts the mark of an unchanged large value, and its constants make values of NULLs.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from afflux.clients.catalog import Relation
from afflux.errors import UsageError
from afflux.topology.masking import ColumnRule
from afflux.topology.model import Topology
from afflux.topology.tables import match

MASKING = {"converters": "afflux", "afflux.type": "io.afflux.connect.MaskedValues"}
"""What a connector needs to mask. A worker whose plugin lacks it, or has none, fails the connector: nothing comes in clear."""
_ABLE = re.compile(r"1\.[1-9]")
"""The plugin's versions that mask and speak this afflux's wire."""

MASK, SECRET = "afflux.masks.", "afflux.masking.secret"
"""What the property of a masked column begins with, and the property of the hashes' key: whatever logs a connector's
config hides values of such names."""

_DEBEZIUMS = re.compile(r"column\.(mask|truncate)\.")
_BEHIND = "post.processors"


def masked_at_source(topology: Topology, table: str) -> dict[str, ColumnRule]:
    """Return the columns of a table, `schema.table`, whose masks the connector makes."""
    declared = match(topology, table)
    rules = declared.columns if declared is not None else {}
    return {name: rule for name, rule in rules.items() if rule.where == "source"}


def masks_at_source(topology: Topology) -> bool:
    """Tell whether the connectors make any mask."""
    return any(rule.where == "source" for table in topology.tables for rule in table.columns.values())


def mask_settings(topology: Topology, tables: Iterable[Relation]) -> dict[str, str]:
    """Return what tells the connector its masks; nothing where it makes none.

    Args:
        topology: whose.
        tables: those that the connector follows.

    Returns:
        Property -> value; the key of hashes is a reference.
    """
    masks = {
        f"{MASK}{table.full_name}.{column}": rule.written
        for table in tables
        for column, rule in masked_at_source(topology, table.full_name).items()
    }
    if "hash" in masks.values() and topology.masking is not None:
        masks[SECRET] = topology.masking.key
    return masks and MASKING | masks


def masks_of(config: Mapping[str, str]) -> dict[str, str]:
    """Return the masked columns that a connector's config names: `schema.table.column` -> how."""
    return {key.removeprefix(MASK): value for key, value in config.items() if key.startswith(MASK)}


def can_mask(version: str) -> bool:
    """Tell whether Connect's plugin of a version can mask; the empty one is none."""
    return _ABLE.match(version) is not None


def check_masks(topology: Topology, properties: Collection[str]) -> None:
    """Refuse properties of `source.config` that mask by themselves, or reach past the masks.

    Raises:
        UsageError: the message names the property and says why.
    """
    for key in properties:
        if _DEBEZIUMS.match(key):
            raise UsageError(
                f"source.config can't set {key}: Debezium's own masks leave values in clear or change others",
                hint="Set the mask under tables[].columns, with where: source; see docs/masking.md.",
            )
        if key.startswith((MASK, SECRET)):
            raise UsageError(
                f"source.config can't set {key}: tables[].columns and masking.key say it", hint="Remove it."
            )
    if masks_at_source(topology) and _BEHIND in properties:
        raise UsageError(
            f"source.config can't set {_BEHIND}: they may read masked columns again, in clear",
            hint="Remove it, or mask in the sink (where: sink).",
        )
