"""A topology on the real stack under a supervisor whose page may be acted on, with a dead letter that can be mended."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from afflux.stack import Stack
from chaos.waiting import wait_for
from heal.clinic import PATIENCE, Clinic

TOKEN = "a-token-for-the-page-alone"
HOSTILE = '<img src=x onerror="window.hit=1">'


class Acted(Clinic):
    """A clinic whose supervisor does nothing without a person but keep what is declared, and whose page has a token."""

    def __init__(self, stack: Stack, folder: Path, name: str) -> None:
        super().__init__(stack, folder, name)
        self._secret = folder / "page.properties"
        self._secret.touch(mode=0o600)
        self._secret.write_text(f"token={TOKEN}\n")
        self.supervisor.verb = ("supervise", "--contracts", str(folder / "contracts"))

    def write(self) -> None:
        """Write the topology as it is to be now, with the page's token."""
        super().write()
        with self.file.open("a") as file:
            file.write(f'monitor: {{page: {{tokens: {{ops: "${{file:{self._secret}:token}}"}}}}}}\n')

    @property
    def page(self) -> str:
        """The page's address."""
        return f"{self.supervisor._health()}/"

    def target(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement at the target; `$` is the schema."""
        return self._run(self.addresses.warehouse_url, (statement,))

    def forbid(self, *numbers: int) -> None:
        """Have the target refuse some rows, and write them: dead letters."""
        self.target(f"alter table $.orders add constraint forbidden check (id not in ({', '.join(map(str, numbers))}))")
        for number in numbers:
            self.sql(f"insert into $.orders values ({number}, '{HOSTILE}')")
        wait_for(lambda: self.open_letters() == len(numbers), PATIENCE, self.sink.tail)

    def mend(self) -> None:
        """Let the target take it."""
        self.target("alter table $.orders drop constraint forbidden")

    def open_letters(self) -> int:
        """Count the dead letters that are open."""
        return len(json.loads(self.afflux("dead-letters", "list", "-o", "json").stdout or "[]"))

    def deeds(self) -> list[dict[str, Any]]:
        """Give what a person has done by the page, as the audit tells it."""
        told: list[dict[str, Any]] = json.loads(self.afflux("audit", "-o", "json").stdout)
        return [deed for deed in told if deed["by"].startswith("ops at 127.0.0.1 ")]

    def differ(self) -> None:
        """Let a second shard have a column of its own, and promise what neither keeps."""
        self.furnish(1)
        self.sql("alter table $.orders add column colour text", shard=1)
        contract = {
            "table": f"{self.name}.orders",
            "fields": [{"name": "id", "type": "int"}, {"name": "note", "type": "text", "nullable": False}],
            "more_fields": True,
        }
        folder = self.folder / "contracts"
        folder.mkdir()
        (folder / "orders.json").write_text(json.dumps(contract))
        self.declare(shards=[0, 1])
        self.supervisor.send(signal.SIGHUP)
        self.await_well()

    def rows_of(self, number: int) -> int:
        """Count a key's rows in the target."""
        return len(self.target(f"select 1 from $.orders where id = {number}"))


@contextmanager
def acted(stack: Stack, folder: Path, name: str) -> Iterator[Acted]:
    """Give it, streaming; nothing of it is left behind."""
    found = Acted(stack, folder, name)
    try:
        found.open()
        found.differ()
        yield found
    finally:
        found.close()
