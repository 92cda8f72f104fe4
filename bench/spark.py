"""Asks Spark, which runs in an environment and a process of its own, and stays warm."""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from spark_parts import spark_command


class Spark:
    """A running Spark.

    Args:
        script: what answers there (`spark_session.serve`).
        folder: for its own files; its log is beside it.
    """

    def __init__(self, script: Path, folder: Path) -> None:
        command, environment = spark_command(script.resolve())
        self._log, self._folder = folder.with_suffix(".log"), folder
        self.answered = 0
        """How often it has answered: before it has, it is cold."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder.parent,  # Spark leaves things where it runs
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ask(self, **asked: Any) -> Any:
        """Let it do something, and give what it says.

        Raises:
            RuntimeError: it has ended.
        """
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        assert self._process.stdout is not None  # noqa: S101 - so is that
        self._process.stdin.write(json.dumps({**asked, "folder": str(self._folder)}) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(("{", "[")):
                self.answered += 1
                return json.loads(line)
        raise RuntimeError(self._log.read_text()[-3000:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self._process.communicate()
