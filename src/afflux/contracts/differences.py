"""All that differs in a topology's tables at present, for a screen: shard against shard, and shards against contracts."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from afflux.contracts.check import Against, check, diff
from afflux.contracts.contract import SUFFIXES, read_all
from afflux.topology.model import Topology


def differences(topology: Topology, places: Collection[Path]) -> dict[str, Any]:
    """Compare the tables as the shards hold them now.

    Args:
        topology: its shards resolved.
        places: contracts, or folders of them; those that are not there are left out, and so are empty folders.

    Returns:
        `apart` (see `compare.Apart`), `breaches` (see `compare.Breach`), how many `contracts` there are, `notes`, and
        the shards that were `unseen`, each with the reason; as JSON can write it.

    Raises:
        AffluxError: the registry does not answer, or a contract is wrong.
    """
    between = diff(topology, (), Against.SHARDS)
    contracts = list(read_all([place for place in places if _holds_any(place)]).values())
    against = check(topology, contracts, Against.SHARDS) if contracts else None
    return {
        "apart": [asdict(line) for line in between.lines],
        "breaches": [asdict(line) for line in against.lines] if against else [],
        "contracts": len(contracts),
        "notes": list(dict.fromkeys([*between.notes, *(against.notes if against else ())])),
        "unseen": list(dict.fromkeys([*between.unseen, *(against.unseen if against else ())])),
    }


def _holds_any(place: Path) -> bool:
    return place.is_file() or (place.is_dir() and any(file.suffix in SUFFIXES for file in place.iterdir()))
