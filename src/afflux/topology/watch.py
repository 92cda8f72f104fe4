"""Follows a topology: its file, and what its directory lists."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog

from afflux.errors import AffluxError, SourceError, TopologyError
from afflux.topology.load import loads, read
from afflux.topology.model import Topology
from afflux.topology.shards import resolve_shards

log = structlog.get_logger()


class Follows(Protocol):
    """What tells a daemon of a changed topology."""

    def poll(self) -> Topology | None:
        """Give the topology if it has changed since the last call."""
        ...


class Watched:
    """Follows a topology, for daemons that look every 10 s and on SIGHUP.

    Args:
        path: of the file; it may be replaced, or be a link whose end changes.
        environ: for the references in the directory's URL.
    """

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._path = path
        self._environ = environ
        self._text: str | None = None
        """Of the file, when `_declared` was made of it."""
        self._declared: Topology | None = None
        self._current: Topology | None = None
        self._fault: tuple[str | None, str] | None = None
        """The text and the complaint that was reported last, until all is well again."""

    def load(self) -> Topology:
        """Give the topology as it is now; `poll` speaks of changes since.

        Raises:
            TopologyError: it is wrong.
            SourceError: the directory does not answer, or refuses.
        """
        self._current = self._now()
        return self._current

    def poll(self) -> Topology | None:
        """Give the topology if it has changed since the last `load` or `poll`, else None.

        One that is wrong, or whose directory does not answer, is reported once by a warning and counts as
        no change: the old one stays. With a directory this waits for its answer, for up to 15 s.
        """
        try:
            now = self._now()
        except (TopologyError, SourceError) as error:
            self._report(error)
            return None
        if self._fault is not None:
            self._fault = None
            log.info("topology right again", path=str(self._path))
        if now == self._current:
            return None
        self._current = now
        return now

    def _now(self) -> Topology:
        text = read(self._path, environ=self._environ)
        if self._declared is None or text != self._text:
            self._text, self._declared = text, None
            self._declared = loads(text, name=str(self._path))
        return resolve_shards(self._declared, self._environ, known=self._current)

    def _report(self, error: AffluxError) -> None:
        fault = (self._text, error.message)
        if fault != self._fault:
            self._fault = fault
            log.warning("topology wrong, the old one stays", path=str(self._path), error=error.message, hint=error.hint)
