"""The files that are made of metrics and alerts: `python -m afflux.monitor.files` writes them, in a checkout.

They are those of a topology without wishes of its own; `afflux alerts rules` gives those of yours.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from afflux.monitor import rules
from afflux.monitor.dashboard import dashboard
from afflux.monitor.reference import reference

FILES: Final[Mapping[str, Callable[[], str]]] = {
    "helm/afflux/files/afflux.rules.yaml": lambda: rules.prometheus(rules.DEFAULT),
    "helm/afflux/files/dashboard.json": dashboard,
    "docs/alertmanager.yaml": rules.alertmanager,
    "docs/metrics.md": reference,
}
"""Path in the repository -> what makes its content."""


def main(top: Path) -> None:
    """Write all of them.

    Args:
        top: the repository.
    """
    for path, make in FILES.items():
        (top / path).write_text(make())


if __name__ == "__main__":
    main(Path.cwd())
