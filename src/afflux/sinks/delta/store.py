"""Where a lake is: Delta tables and plain files below one path, on a disk or in an object store. No decisions."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, FileType, PyFileSystem

from afflux.errors import SinkError
from afflux.topology.secrets import resolve
from afflux.topology.sinks import DeltaSink as Config

_WAITING_HELPS_NOT = re.compile(
    r"permission denied|access ?denied|forbidden|\b40[13]\b|InvalidAccessKeyId|SignatureDoesNotMatch|NoSuchBucket|ContainerNotFound"
    r"|could not create local directory|unauthorized|privileges|credential|unknown scheme|not a directory|read-only file system"
    r"|invalid data found|schema error|unsupported table features|constraint",
    re.IGNORECASE,
)
"""What an answer says that will be the same tomorrow."""

COMPRESSED = WriterProperties(compression="ZSTD", compression_level=1)
"""How tables' files are written: half the bytes of delta-rs's own choice (Snappy) in the same time (observed), and what a
merge writes over and over is bytes."""

_IMPATIENT = {"max_retries": "3", "retry_timeout": "15s"}
"""Of an object store that is away, delta-rs waits for 3 minutes by itself; here the daemon says that it waits, and waits."""


class Found(NamedTuple):
    """A file in the store: its path below the lake's, how large it is, and when it was written."""

    path: str
    size: int
    written: datetime


class Store:
    """A lake's tables and files.

    Args:
        path: a folder, or such as `s3://bucket/lake`.
        options: of the object store, by delta-rs's names, secrets resolved.
    """

    def __init__(self, path: str, options: Mapping[str, str] | None = None) -> None:
        self.path = path.rstrip("/")
        self.options = {**(_IMPATIENT if "://" in path and not path.startswith("file://") else {}), **(options or {})}
        self._files: _Files | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk of this machine."""
        return "://" not in self.path or self.path.startswith("file://")

    def uri(self, place: str) -> str:
        """Give the address of a table, by its place below the lake's path."""
        return f"{self.path}/{place}"

    def open(self, place: str) -> DeltaTable | None:
        """Open a table; None where there is none."""
        try:
            return DeltaTable(self.uri(place), storage_options=self.options)
        except TableNotFoundError:
            return None

    def renewed(self, table: DeltaTable) -> DeltaTable:
        """Bring a table's handle to the newest version."""
        try:
            table.update_incremental()
        except DeltaError:
            # It has not looked for so long that the log between is no longer there; the table is.
            return DeltaTable(table.table_uri, storage_options=self.options)
        return table

    def create(
        self, place: str, schema: pa.Schema, properties: Mapping[str, str], partition_by: list[str] | None = None
    ) -> DeltaTable:
        """Make a table; where another worker has made it meanwhile, open that one."""
        try:
            return DeltaTable.create(
                self.uri(place),
                schema=schema,
                mode="error",
                configuration={**properties},
                partition_by=partition_by or [],
                storage_options=self.options,
                commit_properties=CommitProperties(custom_metadata={"userMetadata": "afflux"}),
            )
        except (DeltaError, CommitFailedError):
            there = self.open(place)
            if there is None:
                raise
            return there

    def scan(self, table: DeltaTable) -> pl.LazyFrame:
        """Read the version of a table that its handle stands at."""
        # Polars adds the handle's options, and takes this one as a number alone (observed on 2.1.0).
        options = {**self.options, **({"max_retries": int(most)} if (most := self.options.get("max_retries")) else {})}
        return pl.scan_delta(table, storage_options=options or None)

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole."""
        self._handler().put(path, data)

    def read(self, path: str) -> bytes | None:
        """Read a file whole; None where there is none."""
        try:
            with self._filesystem().open_input_file(path) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def remove(self, path: str) -> None:
        """Remove a file; harmless where there is none."""
        with suppress(FileNotFoundError):
            self._filesystem().delete_file(path)

    def list(self, folder: str) -> Iterator[Found]:
        """Give the files below a folder."""
        for file in self._filesystem().get_file_info(FileSelector(folder, allow_not_found=True, recursive=True)):
            if file.type == FileType.File:
                yield Found(file.path, file.size, file.mtime or datetime.fromtimestamp(0, UTC))

    def _handler(self) -> "_Files":
        if self._files is None:
            self._files = _Files(self.path, self.options)
        return self._files

    def _filesystem(self) -> PyFileSystem:
        return PyFileSystem(self._handler())


class _Files(DeltaStorageHandler):
    """delta-rs's own way to files."""

    def put(self, path: str, data: bytes) -> None:
        """Write a file; what pyarrow would hand to delta-rs are no bytes (observed on 1.6.6)."""
        stream = self._handler.open_output_stream(path, None)
        stream.write(data)
        stream.close()  # type: ignore[attr-defined]  # the stub of deltalake leaves it out


def store_of(config: Config) -> Store:
    """Find a sink's lake.

    Raises:
        TopologyError: a secret that it refers to is not there.
    """
    return Store(resolve(config.path), {key: resolve(value) for key, value in config.storage_options.items()})


def folder(name: str) -> str:
    """Write a name so that it is one folder of any store, whatever is in it: `~2f` for what may not be there.

    Per cent signs are no way out: delta-rs reads them back (observed on 1.6.6).
    """
    return _NO_FOLDER.sub(lambda found: "".join(f"~{byte:02x}" for byte in found[0].encode()), name)


def unfolded(folder: str) -> str:
    """Give the name of a folder that `folder` has written."""
    return re.sub(r"(~[0-9a-f]{2})+", lambda found: bytes.fromhex(found[0].replace("~", "")).decode(), folder)


_NO_FOLDER = re.compile(r"[^A-Za-z0-9_.-]|^\.+$|^_(?=afflux$)")


@contextmanager
def errors(sink: str, doing: str) -> Iterator[None]:
    """Raise what a store or delta-rs says as a sink's error.

    Args:
        sink: the sink's name.
        doing: what is tried, for the message.

    Raises:
        SinkError: `transient` where trying again later may help.
    """
    try:
        yield
    except (DeltaError, OSError, pl.exceptions.PolarsError, pa.ArrowException) as error:
        reason = told(error)
        raise SinkError(f"sink {sink!r} could not {doing}: {reason}", transient=is_transient(error)) from error


def is_transient(error: Exception) -> bool:
    """Tell whether trying again later may help."""
    return isinstance(error, (OSError, DeltaError)) and not _WAITING_HELPS_NOT.search(told(error))


def told(error: Exception) -> str:
    """Give an error in one line: its first one, and what an object store's answer is the cause of it.

    Without what addresses carry behind a question mark (signatures), and without the rest of the answer.
    """
    lines = [_COLOUR.sub("", line).strip() for line in str(error).strip().splitlines()]
    parts = lines[:1] + [line.removeprefix(_CAUSE).strip() for line in lines[1:] if line.startswith(_CAUSE)]
    parts = [part for part in parts if not part.startswith("<")]
    parts += [found[1] for name in ("Code", "Message") if (found := re.search(f"<{name}>([^<\n]+)", str(error)))]
    return re.sub(r"\?[^\s\"')]*", "", ": ".join(parts) or type(error).__name__)[:700]


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CAUSE = "↳"
"""How delta-rs begins the lines that say what an error came from (observed on 1.6.6)."""
