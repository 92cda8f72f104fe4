"""Where the files lie that are no Python: `connectors/` and `schemas/`.

An installed wheel carries them inside the package; a checkout has them at its top.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def asset(*parts: str) -> Path:
    """Return the path of a file such as `asset("connectors", "debezium-postgresql.json")`.

    Raises:
        FileNotFoundError: neither the package nor the checkout has it, so the installation is broken.
    """
    for base in (_PACKAGE, _PACKAGE.parent.parent):
        path = base.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(f"afflux's own file {'/'.join(parts)} is missing from this installation")
