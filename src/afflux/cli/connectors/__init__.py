"""`afflux connectors`, also installed as `connectors`: Debezium, Kafka and the shards as the topology says."""

import typer

from afflux.cli.connectors.checking import validate
from afflux.cli.connectors.copies import snapshot
from afflux.cli.connectors.offsets import app as offsets
from afflux.cli.connectors.plans import apply, drift, plan
from afflux.cli.connectors.removal import remove
from afflux.cli.connectors.resync import resync
from afflux.cli.connectors.states import pause, restart, resume, stop
from afflux.cli.connectors.statuses import status, watch

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def _group() -> None:
    """Set up and watch one Debezium connector a shard, with its publication, slot and topics.

    All are named after the shard (source.names of the topology), and nothing else is ever touched. Every command may
    be run again at any time. Where shards are named, `*` and `?` stand for any characters, as in 'eu-*'.

    A day's work: `plan` says what would be done, `apply` does it, `status` says whether changes flow, `drift` what
    somebody has changed by hand.
    """


_PANELS = {
    "As the topology says": (plan, apply, drift, validate),
    "What they do": (status, watch),
    "By hand": (restart, pause, resume, stop, snapshot, resync, remove),
}
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
app.add_typer(offsets, name="offsets", rich_help_panel="By hand")
