"""The page on writing a sink shows the code that runs, names the whole contract, and is short."""

import re
from pathlib import Path

from afflux.sinks.base import Sink

TOP = Path(__file__).parents[3]
PAGE = (TOP / "docs" / "writing-a-sink.md").read_text()


def test_the_code_that_it_shows_is_the_code_that_runs() -> None:
    code = (TOP / "src" / "afflux" / "sinks" / "memory.py").read_text()
    shown = re.findall(r"```python\n(.*?)\n```", PAGE, re.DOTALL)
    assert len(shown) == 2
    assert [block for block in shown if block.removeprefix("class MemorySink(Sink):\n") not in code] == []


def test_it_names_every_method_of_the_contract() -> None:
    methods = [name for name, of in vars(Sink).items() if callable(of) and not name.startswith("_")]
    assert [name for name in methods if f"`{name}" not in PAGE] == []


def test_the_contract_takes_less_than_100_lines() -> None:
    contract = PAGE[PAGE.index("## The contract") : PAGE.index("## Errors")]
    assert contract.count("\n") < 100


def test_every_link_leads_somewhere() -> None:
    for name in ("writing-a-sink.md", "dialects.md"):
        page = re.sub(r"```.*?```", "", (TOP / "docs" / name).read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#]+)", page):
            assert (TOP / "docs" / link).exists(), link
