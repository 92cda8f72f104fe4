"""The way in: `afflux`, `connectors`, and `python -m afflux`.

The commands are imported here and not above, so that Ctrl-C in the second that this takes ends quietly too.
"""

import atexit
import gc
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run `afflux` and leave the process with its exit code."""
    _quietly("afflux")


def connectors() -> NoReturn:
    """Run `connectors`, which is `afflux connectors`, and leave the process with its exit code."""
    _quietly("connectors")


def _quietly(name: str) -> NoReturn:
    # What is imported stays to the end, so that to look through it for garbage, meanwhile and at the end, takes half a
    # second of every command for nothing.
    gc.disable()
    try:
        from afflux import cli  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        sys.exit(130)
    gc.freeze()
    gc.enable()
    atexit.register(_leave)
    cli.run_command(cli.app if name == "afflux" else cli.connectors.app, name)


def _leave() -> None:
    # DuckDB counts what is left of itself at the very end, and calls on standard error what was frozen a leak.
    if "duckdb" in sys.modules:
        gc.unfreeze()
    else:
        gc.freeze()


if __name__ == "__main__":
    main()
