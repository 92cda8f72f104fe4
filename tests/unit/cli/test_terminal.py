"""What a source may have called something reaches no terminal as more than text to be read."""

import dataclasses
import io
import json
import os
import pty
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
import structlog
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.table import Table
from rich.text import Text

from afflux import cli, logs
from afflux.cli import terminal
from afflux.cli.connectors import options, screens
from afflux.cli.options import Output
from afflux.cli.overview import Screen
from afflux.cli.show import show_data, show_table
from afflux.errors import AffluxError, UsageError
from afflux.printable import printable
from hostile import HOSTILE
from looks import declared, look

NAMES = [
    *(name for name in HOSTILE if len(name) < 1000),
    "\x1b[2J\x1b[1;1Hwiped",
    "over\rwritten",
    "\x9b2Jone byte",
    "\u202etxt.exe",
    "two\nshard9  streaming",
    "title\x1b]0;pwned\x07",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "bell\x07back\x08\x08\x7f",
    "[bold red]markup[/] [link=http://evil]x[/link] \\[blink]",
    "a\u2028b\u2029c\u0085d",
    "\ud800 half",
    "\U000e0041 tag \u200b\ufeff",
]


def obeyed(shown: str) -> list[str]:
    """Characters that a terminal would obey, or that would turn what is read."""
    unfit = {"Cc", "Zl", "Zp", "Cs"}
    bidi = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return [c for c in shown if (unicodedata.category(c) in unfit and c != "\n") or c in bidi]


@given(st.text(st.characters()))
def test_nothing_is_left_that_a_terminal_obeys_and_what_is_fit_stays(text: str) -> None:
    shown = printable(text)
    assert obeyed(shown) == []
    assert "\n" not in shown
    assert printable(shown) == shown
    if text.isascii() and text.isprintable():
        assert shown == text


def test_characters_of_languages_and_pictures_stay() -> None:
    for text in ("größe", "名前", "\u0645\u06cc\u200c\u062e\u0648", "\U0001f469\u200d\U0001f680", "e\u0301"):
        assert printable(text) == text


def _error(name: str) -> None:
    for error in (AffluxError(f"table {name} is odd", hint=f"rename {name}"), UsageError(name), ValueError(name)):
        cli._explain(error, "afflux")


def _progress(name: str) -> None:
    options.progress()(name, f"made {name}")


def _screen(name: str) -> None:
    found = look(declared())
    shards = [dataclasses.replace(shard, shard=name, stream=name) for shard in found.shards]
    of = dataclasses.replace(found, shards=shards, verdict=f"{name} is late", next=name)
    terminal.Terminal().print(Screen(of, everything=True))


PRINTS: dict[str, Callable[[str], None]] = {
    "a table": lambda name: show_table([{"table": name, "n": 1}, {"table": "x", "n": name}]),
    "a plan": lambda name: screens.show([{"object": name, "reason": name, "n": None}]),
    "a word": terminal.say,
    "a line": terminal.line,
    "progress": _progress,
    "an error": _error,
    "the screen": _screen,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", PRINTS)
def test_a_hostile_name_is_shown_and_not_obeyed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, what: str, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "4000")
    PRINTS[what]("plain")
    plain = "".join(capsys.readouterr())
    PRINTS[what](name)
    shown = "".join(capsys.readouterr())
    assert obeyed(shown) == []
    if what == "an error":  # whose text may have lines of its own, which are set in
        starts = [line for line in shown.split("\n") if line and not line.startswith(" ")]
        assert [line[:6] for line in starts] == ["error:"] * 3
    else:
        assert shown.count("\n") == plain.count("\n")
        assert printable(name) in shown or what == "the screen"  # whose library leaves some controls out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output", [Output.JSON, Output.YAML])
def test_data_is_exact_and_can_be_looked_at_on_a_terminal(
    capsys: pytest.CaptureFixture[str], output: Output, name: str
) -> None:
    show_data([{name: [name]}], output)
    out = capsys.readouterr().out
    assert [character for character in obeyed(out) if character != "\x7f"] == []
    assert (json.loads(out) if output is Output.JSON else yaml.safe_load(out)) == [{name: [name]}]


def test_what_other_programs_read_is_exact_in_a_pipe_and_does_nothing_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = 'GRANT SELECT ON "a\x1b[31mb\u202e"\nTO "c";\n'
    terminal.script(statement)
    assert capsys.readouterr().out == statement
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    terminal.script(statement)
    assert capsys.readouterr().out == 'GRANT SELECT ON "a\\x1b[31mb\\u202e"\nTO "c";\n'


def on_a_terminal(show: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What comes out of a terminal when something is shown on it."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8", errors="surrogatepass") as screen:
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setattr(sys, "stderr", screen)
        show()
        screen.flush()
        shown = os.read(ours, 65536)
    os.close(ours)
    return shown


def test_a_real_terminal_gets_colours_of_ours_and_no_code_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "\x1b[2J\x1b]0;pwned\x07\x9b5mname\r"

    def show() -> None:
        raw = Table()
        raw.add_column("any")
        raw.add_row(Text(hostile))  # the console itself is the net below
        terminal.say(hostile, "red")
        with Live(raw, console=terminal.Terminal(), auto_refresh=False) as live:
            live.refresh()

    shown = on_a_terminal(show, monkeypatch)
    assert b"\x1b[31m" in shown
    for code in (b"\x1b[2J", b"\x1b]0", b"\x07", "\x9b".encode()):
        assert code not in shown
    assert shown.count(rb"\x1b[2J") >= 2


def test_a_log_for_people_and_one_for_programs_have_one_line_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    for as_json in (True, False):
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        logs.configure("info", json=as_json)
        for name in NAMES:
            structlog.get_logger().info(f"of {name}", table=name, names=[name])
        lines = written.getvalue().rstrip("\n").split("\n")
        assert len(lines) == len(NAMES)
        plain = [line.replace("\x1b[", "") if not as_json else line for line in lines]
        assert obeyed("".join(plain)) == []
