"""Stop a connector and wait until it has stopped: only then nobody reads its slot, and its offsets can be changed."""

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from afflux.clients.connect import Connect
from afflux.errors import ConnectError

STOP_SECONDS = 30.0
"""How long a connector may take to stop its tasks."""
ORPHAN_SECONDS = 3.0
"""Before a task that was told to stop sees that its slot is gone, and ends.

Debezium looks every 2 s, for half an hour, whether an invalidated slot has a position, also when its task was given up
meanwhile (observed): the new slot must not be there before that.
"""


def must_stop(connect: Connect, name: str) -> None:
    """Stop a connector and wait for its tasks to go; one that is not there has stopped.

    Raises:
        ConnectError: it did not stop in time (`transient`), or Connect does not answer.
    """
    if connect.status(name) is not None and not stop(connect, name):
        raise ConnectError(
            f"connector {name} did not stop in {STOP_SECONDS:g} s",
            hint="Try again; its worker's log says what it waits for.",
            transient=True,
        )


def stop(connect: Connect, name: str) -> bool:
    """Stop a connector, wait for its tasks to go, and return whether they did."""
    connect.change_state(name, "stop")

    def runs() -> bool:
        now = connect.status(name)
        return now is not None and (now.state != "STOPPED" or bool(now.tasks))

    patient = Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(STOP_SECONDS),
        wait=wait_fixed(0.3),
        retry_error_callback=lambda _: True,
    )
    return not patient(runs)
