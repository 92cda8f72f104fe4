"""The state folder that the demo plays in: its own, clean at the beginning, and left clean."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from afflux.demo.sink import SinkProcess
from afflux.errors import UsageError
from afflux.stack import Stack
from afflux.stack.filelock import locked
from afflux.stack.interrupts import stoppable, undisturbed

_MARK = "demo.lock"
"""Says that the folder is the demo's; held while a demo plays in it."""
_STATE = "state.json"
"""Says that there is a stack."""

_TARGETS = ("lake", "lake.yaml", "duckdb.yaml", "sqlite.yaml", "warehouse.duckdb*", "warehouse.sqlite*")
"""What is beside the stack of targets that are files (patterns)."""

Report = Callable[[str, str], None]
"""Told (part, phase) of the stack, from several threads."""


@dataclass
class Scene:
    """What plays in the folder.

    Attributes:
        stack: of the folder.
        well: whether it went well, so that its files are of no more interest.
    """

    stack: Stack
    well: bool = False


@contextmanager
def stage(folder: Path, *, keep: bool, say: Callable[[str], None], report: Report) -> Iterator[Scene]:
    """Clear the folder of an earlier demo, and take everything down after the block, however that ends.

    Files are removed after a block that sets `well`, and stay to be looked at otherwise.

    Args:
        folder: the state folder.
        keep: leave everything running.
        say: told what is done.
        report: told what the stack's parts do.

    Raises:
        UsageError: the folder has a stack that is not the demo's, or another demo plays in it now.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; everything is taken down first.
    """
    folder = folder.expanduser().resolve()
    _refuse_foreign(folder)
    with stoppable(), locked(folder / _MARK, lambda: _refuse_second(folder)):
        scene = Scene(Stack(folder))
        if (folder / _STATE).exists():
            say("remove what an earlier demo has left")
        _clear(scene.stack, purge=True, report=report)
        try:
            yield scene
        finally:
            if not keep:
                with undisturbed():
                    say("take everything down")
                    _clear(scene.stack, purge=scene.well, report=report)
                    if scene.well:
                        _leave(folder)


def take_down(folder: Path, *, report: Report) -> None:
    """Take down what `--keep`, or a demo that was killed, has left, and remove its files. Harmless when nothing is.

    Raises:
        UsageError: as `stage`.
    """
    folder = folder.expanduser().resolve()
    _refuse_foreign(folder)
    if not (folder / _MARK).exists():
        report("demo", f"nothing of it is in {folder}")
    else:
        with locked(folder / _MARK, lambda: _refuse_second(folder)):
            _clear(Stack(folder), purge=True, report=report)
            _leave(folder)


def _clear(stack: Stack, *, purge: bool, report: Report) -> None:
    SinkProcess(stack.folder).stop()
    if (stack.folder / _STATE).exists():
        stack.down(purge=purge, report=report)
    for path in [path for pattern in _TARGETS for path in stack.folder.glob(pattern)] if purge else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _leave(folder: Path) -> None:
    (folder / _MARK).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _refuse_foreign(folder: Path) -> None:
    if (folder / _STATE).exists() and not (folder / _MARK).exists():
        raise UsageError(
            f"{folder} holds a stack that is not the demo's, and the demo begins by removing what is there",
            hint="give the demo a folder of its own with --state",
        )


def _refuse_second(folder: Path) -> NoReturn:
    raise UsageError(
        f"another demo plays in {folder} at this moment",
        hint="wait for its end, or give this one a folder of its own with --state",
    )
