"""The way to the terminal: everything that a command prints for people goes through here, and can do nothing there."""

import re
import sys
from collections.abc import Iterable

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from afflux.printable import printable


class Terminal(Console):
    """A console that obeys itself alone: controls in what is printed are shown, whatever was printed and however."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, and make every text fit; the console's own codes stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text, lines=True))


def fit(text: str, style: str = "") -> Text:
    """Make a text of one line: a line break in it is shown, and forges no line."""
    return Text(printable(text), style=style)


def say(text: str, style: str = "") -> None:
    """Say something to the person, beside the data."""
    Terminal(stderr=True, soft_wrap=True).print(fit(text, style))


def complain(kind: str, style: str, text: str) -> None:
    """Say what went wrong; lines after the first are set in, so that none looks like another message."""
    whole = re.sub(r"\n(?=\S)", "\n  ", printable(text, lines=True))
    Terminal(stderr=True, soft_wrap=True).print(Text.assemble((kind, style), " ", whole))


def line(text: str) -> None:
    """Print one line of what was asked for, for people to read."""
    typer.echo(printable(text))


def script(text: str) -> None:
    """Print what other programs read: just as it is, but on a terminal, where it must do nothing."""
    sys.stdout.write(printable(text, lines=True) if sys.stdout.isatty() else text)
    sys.stdout.flush()
