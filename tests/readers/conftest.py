"""Other programs that read and write Delta tables, each in an environment of its own that is made once."""

import json
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from spark import Spark

from afflux.stack.cache import cache_folder
from afflux.stack.filelock import locked

HERE = Path(__file__).parent
DUCKDB = ("duckdb==1.4.4", "duckdb-ext-delta==1.4.4.20260205")
"""The newest DuckDB of which a package has the extension `delta`."""

Ask = Callable[..., Any]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Ask Spark: `do`, `table`, and `columns`."""
    with Spark(HERE / "in_spark.py", tmp_path_factory.mktemp("readers") / "spark") as running:
        yield running.ask


@pytest.fixture(scope="session")
def duckdb_rows() -> Ask:
    """Ask DuckDB's extension for a table's rows."""
    home = cache_folder() / "readers" / DUCKDB[0]
    python = home / "bin" / "python"
    with locked(cache_folder() / "readers" / "lock"):
        if not (home / ".ready").exists():
            venv.create(home, with_pip=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *DUCKDB], check=True)
            (home / ".ready").touch()

    def ask(table: str, columns: list[str]) -> Any:
        command = [str(python), str(HERE / "in_duckdb.py"), table, *columns]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, check=True)
        return json.loads(done.stdout)

    return ask
