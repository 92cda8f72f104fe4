"""Arguments and flags that several of the commands share, and what the person is told."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from afflux import control
from afflux.cli.terminal import Terminal, fit, say
from afflux.errors import UsageError
from afflux.topology.model import Topology

DIFFERENCE = 3
"""The exit code for a difference."""

ShardsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="SHARD", help="Which shards, as in shard0 or 'eu-*'; without any, all.", show_default=False),
]
NamedShards = Annotated[
    list[str],
    typer.Argument(metavar="SHARD", help="Which shards, as in shard0 or 'eu-*'; '*' is all.", show_default=False),
]
AllowOption = Annotated[
    list[control.Risk] | None,
    typer.Option(
        "--allow",
        metavar="RISK",
        help="Also do what has this risk: `data-loss` (changes are lost to the target) or `removal` (a shard is not"
        " followed any more). May be given several times.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def meant(topology: Topology, patterns: Sequence[str] | None) -> list[str] | None:
    """Give the names of the shards that are meant; None for all.

    Raises:
        UsageError: a pattern is for no shard of the topology.
    """
    return control.choose(patterns, [shard.name for shard in topology.shards]) if patterns else None


def leave(risks: Sequence[control.Risk] | None) -> frozenset[control.Risk]:
    """Check the risks that leave is given for.

    Raises:
        UsageError: one of them needs none.
    """
    for risk in risks or ():
        if risk not in control.LEAVE:
            raise UsageError(
                f"--allow {risk}: that needs no leave",
                hint=f"There are {' and '.join(sorted(control.LEAVE))}.",
            )
    return frozenset(risks or ())


def progress() -> control.Progress:
    """Give what prints a line for everything that happens."""
    console = Terminal(stderr=True, soft_wrap=True)

    def tell(shard: str, what: str) -> None:
        console.print(Text.assemble(fit(f"{shard or 'all'}  ", "bold"), fit(what)))

    return tell


def hint(text: str) -> None:
    """Say what to do about what was said before."""
    if text:
        say(f"  hint: {text}")
