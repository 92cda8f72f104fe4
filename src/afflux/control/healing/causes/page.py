"""The table of causes as `docs/supervise.md` has it: `python -m afflux.control.healing.causes.page` prints it (pure)."""

from afflux.control.healing.causes.base import Cause, Remedy, never
from afflux.control.healing.causes.table import CAUSES

_DONE = {
    Remedy.WAIT: "nothing: it comes right by itself",
    Remedy.RESTART: "restarted, with growing pauses",
    Remedy.MEND: "put right as the topology says, and restarted",
    Remedy.RESYNCHRONISE: "a person is asked, or, with `--resynchronise`, it is read anew",
    Remedy.ASK: "a person is asked",
}
_ALONE = "gone on with"


def table() -> str:
    """Return the rows, in the order in which they are looked for."""
    head = "| cause | what has happened | what it is recognised by | what is done |\n| --- | --- | --- | --- |\n"
    return head + "".join(
        f"| {cause.name} | {_cell(cause.means)} | {_cell(cause.seen_by)} | {_done(cause)} |\n" for cause in CAUSES
    )


def _done(cause: Cause) -> str:
    if cause.begun:
        return _ALONE
    again = cause.remedy is Remedy.ASK and cause.mended is not never
    return f"{_DONE[cause.remedy]}; restarted when that is seen to be mended" if again else _DONE[cause.remedy]


def _cell(text: str) -> str:
    return text.removesuffix(".").replace("|", "\\|")


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201 - what it is for
