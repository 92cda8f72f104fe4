"""`afflux dead-letters`: the events that could not be applied."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from afflux.cli.desk import SinkOption, TablesOption, YesOption, confirm, desk_of
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import moment, show_data, show_table
from afflux.cli.terminal import say
from afflux.errors import UsageError
from afflux.operate import letters
from afflux.operate.letters import Found, Wish
from afflux.operate.moments import parse_moment
from afflux.sinks.state import LetterState

app = typer.Typer(no_args_is_help=True, add_completion=False)

IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="topic:partition:offset, as listed.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", help="Of the row with this key, as `list` writes it (or its bytes in hex).")
]
KindOption = Annotated[str | None, typer.Option("--kind", help="Of this kind, such as 'refused by the target'.")]
StateOption = Annotated[str, typer.Option("--state", help="open, superseded, replayed, discarded or all.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="First seen then or later: 2h ago, or 2026-01-31T08:00 (UTC).")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="First seen before then, written likewise.")]
AllOption = Annotated[bool, typer.Option("--all", help="All open ones.")]


@app.callback()
def _group() -> None:
    """See and settle the events that could not be applied to the target.

    An event that can't be read, or that the target refuses, becomes a dead letter in the transaction of its batch,
    and nothing else stops. It is open until a later event of its row makes it irrelevant (superseded), or you replay
    or discard it. docs/dead-letters.md has the whole policy.
    """


@app.command("list")
def list_(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    table: TablesOption = None,
    key: KeyOption = None,
    kind: KindOption = None,
    state: StateOption = "open",
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many, the oldest first; 0: all.")] = 100,
    output: OutputOption = Output.TABLE,
) -> None:
    """List dead letters, in order of topic, partition and offset."""
    with desk_of(topology, sink) as desk:
        found = letters.find(desk, _wish((), table, key, kind, state, since, until))
        _show(found[: limit or None], output)
        if limit and len(found) > limit:
            say(f"{len(found) - limit} more; --limit 0 lists all")
        elif not found:
            say("none")


@app.command()
def show(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="topic:partition:offset, as listed.")],
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    output: OutputOption = Output.JSON,
) -> None:
    """Show all there is of dead letters as JSON: error, headers, key and event.

    Key and event are decoded by their schemas from the registry; where that can't be done, their bytes are shown in
    hex, and why.
    """
    with desk_of(topology, sink) as desk:
        show_data(letters.show(desk, ids), Output.JSON if output is Output.TABLE else output)


@app.command()
def replay(
    ids: IdsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    table: TablesOption = None,
    key: KeyOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    everything: AllOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Apply open dead letters now, once what was wrong is mended.

    Name them by their ids, by options, or with --all. They go the way of every event (decode, fold, apply), in
    order of offset. All open ones of a row are tried together, and those that are held behind them come with them.
    A letter that a later event of its row has superseded is never applied, so nothing comes back that is gone. Rows
    and letters change in one transaction. Daemons may run meanwhile, and so may a second replay.

    Exit code 1: at least one failed again; it stays open, with its new reason.
    """
    with desk_of(topology, sink) as desk:
        wish = _some(_wish(ids or (), table, key, kind, "open", since, until), everything=everything)
        found = letters.replay(desk, wish, lambda done, of: say(f"{done} of {of}"))
        _show(found, output)
        failed = sum(letter.state == LetterState.OPEN for letter in found)
        replayed = sum(letter.state == LetterState.REPLAYED for letter in found)
        say(f"{replayed} replayed, {failed} failed again" if found else "none is open")
    raise typer.Exit(1 if failed else 0)


@app.command()
def discard(
    ids: IdsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    table: TablesOption = None,
    key: KeyOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    everything: AllOption = False,
    yes: YesOption = False,
) -> None:
    """Give open dead letters up: what they say will never be in the target.

    Their rows stay as they are until later events of theirs come. Letters that are held behind them stay open;
    replay those. `show` still shows discarded ones.
    """
    with desk_of(topology, sink) as desk:
        wish = _some(_wish(ids or (), table, key, kind, "open", since, until), everything=everything)
        found = [letter.id for letter in letters.find(desk, wish) if letter.state == LetterState.OPEN]
        if found:
            confirm(f"Discard {len(found)} dead letter(s)?", yes=yes)
            say(f"{letters.discard(desk, found)} discarded")
            held = letters.held_behind(desk, found)
            if held:
                say(f"{held} were held behind them: `afflux dead-letters replay` applies those")
        else:
            say("none is open")


def _wish(
    ids: Sequence[str],
    table: list[str] | None,
    key: str | None,
    kind: str | None,
    state: str,
    since: str | None,
    until: str | None,
) -> Wish:
    now = datetime.now(UTC)
    if state != "all" and state not in [str(each) for each in LetterState]:
        raise UsageError(f"--state {state!r} is none", hint=f"give {', '.join(LetterState)} or all")
    return Wish(
        ids=ids,
        tables=table or (),
        key=key,
        kind=kind,
        states=None if state == "all" else (LetterState(state),),
        since=None if since is None else parse_moment(since, now),
        until=None if until is None else parse_moment(until, now),
    )


def _some(wish: Wish, *, everything: bool) -> Wish:
    """See that a person has said which are meant."""
    narrowed = bool(wish.tables or wish.key is not None or wish.kind or wish.since or wish.until)
    if wish.ids and (narrowed or everything):
        raise UsageError("give ids or options, not both")
    if not (wish.ids or narrowed or everything):
        raise UsageError("say which: give ids, options such as --table, or --all")
    return wish


def _show(found: Sequence[Found], output: Output) -> None:
    if output is not Output.TABLE:
        show_data([dataclasses.asdict(letter) for letter in found], output)
    elif found:
        show_table(
            [
                {
                    "id": letter.id,
                    "table": letter.table,
                    "key": letter.key,
                    "kind": letter.kind,
                    "state": letter.state,
                    "first_seen": moment(letter.first_seen),
                    "last_seen": moment(letter.last_seen),
                    "reason": " ".join(letter.reason.split()),
                }
                for letter in found
            ]
        )
