"""`afflux schemas`: subjects of the registry, contracts, and shard against shard."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from afflux.cli.desk import YesOption, confirm
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data, show_table
from afflux.cli.terminal import say, script
from afflux.clients.servers import servers
from afflux.contracts import check as contracts
from afflux.contracts.check import Against, Verdict
from afflux.contracts.contract import read_all
from afflux.contracts.seen import subjects
from afflux.control.verbs.subjects import deletable
from afflux.control.verbs.subjects import delete as delete_subjects
from afflux.errors import UsageError
from afflux.topology.load import load_resolved

app = typer.Typer(no_args_is_help=True)
DIFFERENCE = 3
FOLDER = Path("schemas/contracts")
AgainstOption = Annotated[
    Against,
    typer.Option(help="registry: what shards send, by their newest schemas; shards: their tables as they are now."),
]


@app.callback()
def _group() -> None:
    """The tables' schemas: what shards send and hold, against contracts and against each other."""


@app.command(name="list")
def list_(topology: TopologyOption = DEFAULT_TOPOLOGY, output: OutputOption = Output.TABLE) -> None:
    """List the registry's subjects of this topology: of which table and shard, newest version, compatibility."""
    loaded = load_resolved(topology)
    rows = [asdict(subject) for subject in subjects(loaded, servers(loaded).registry)]
    if output is not Output.TABLE:
        show_data(rows, output)
    elif rows:
        show_table(rows)
    else:
        say("the registry has no subject of this topology yet")


@app.command()
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help=f"Contracts, or folders of them; {FOLDER} by default.", show_default=False),
    ] = None,
    against: AgainstOption = Against.REGISTRY,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare contracts with what shards really send, or hold: for a pipeline, before a migration goes out.

    With `--against shards` the catalogs of the topology's shards are read, so that a topology of a staging shard that
    the migration ran on says before production does what would break.

    Exit code 0: every promise is kept; 3: one is not, and the field is named; 1: a server could not be asked.
    """
    read = read_all(files or [FOLDER])
    _show(contracts.check(load_resolved(topology), list(read.values()), against), output)


@app.command()
def diff(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="TABLE", help="As public.orders; all tables without.")
    ] = None,
    against: AgainstOption = Against.REGISTRY,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show where a table is not the same on all shards: a column that some lack, another type, another key.

    Exit code 0: all are alike; 3: they are not; 1: a server could not be asked.
    """
    _show(contracts.diff(load_resolved(topology), tables or (), against), output)


@app.command()
def register(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="As public.orders.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write into; - for standard output.")] = FOLDER,
    against: AgainstOption = Against.REGISTRY,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a contract that is there.")] = False,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
) -> None:
    """Write a contract of what a table looks like now, for `check` to hold the shards to.

    The schemas of events don't say of every column whether it may be NULL; `--against shards` does.
    """
    if against is Against.BOTH:
        raise UsageError("a contract is written of one of them", hint="--against registry, or --against shards")
    path = to / f"{table}.yaml"
    if str(to) != "-" and path.exists() and not replace:
        raise UsageError(f"{path} is there already", hint="--replace writes over it")
    text = contracts.draft(load_resolved(topology), table, against).text()
    if str(to) == "-":
        script(text)
        return
    to.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"wrote {path}; `afflux schemas check` holds the shards to it")


@app.command()
def delete(
    shard: Annotated[str, typer.Argument(metavar="SHARD", help="Whose; it need not be in the topology any more.")],
    hard: Annotated[
        bool, typer.Option("--hard", help="For good: a registry may then refuse the ids in records not yet read.")
    ] = False,
    yes: YesOption = False,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    output: OutputOption = Output.TABLE,
) -> None:
    """Delete the subjects of a shard that is gone: softly, so that records in Kafka can still be read.

    The shard's connector has to be removed first. Topics stay.
    """
    loaded = load_resolved(topology)
    names = deletable(loaded, shard, hard=hard)
    if names:
        confirm(f"Delete {len(names)} subjects{' for good' if hard else ''}: {', '.join(names)}?", yes=yes)
    delete_subjects(servers(loaded).registry, names, hard=hard)
    rows = [{"shard": shard, "deleted": name} for name in names]
    if output is not Output.TABLE:
        show_data(rows, output)
    elif rows:
        show_table(rows)
    else:
        say(f"the registry has no subject of shard {shard}")


def _show(verdict: Verdict, output: Output) -> None:
    rows = [asdict(line) for line in verdict.lines]
    if output is not Output.TABLE:
        show_data(rows, output)
    elif rows:
        show_table([{name: _text(value) for name, value in row.items()} for row in rows])
    for note in verdict.notes:
        say(f"note: {note}", "yellow")
    for problem in verdict.unseen:
        say(problem, "red")
    if output is Output.TABLE and not rows and not verdict.unseen:
        say("all as it should be")
    raise typer.Exit(1 if verdict.unseen else DIFFERENCE if rows else 0)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{what}: {_text(shards)}" for what, shards in value.items())
    return ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
