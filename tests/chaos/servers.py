"""The servers around the sink die, and are started again."""

from collections.abc import Callable

import psycopg

from afflux.control import status
from afflux.topology.load import load_resolved
from chaos.arena import Arena
from chaos.fault import Fault
from chaos.waiting import wait_for
from chaos.worker import Worker

_NO_BROKER = "no Kafka broker answers"


def _kill(arena: Arena, *parts: str) -> str:
    """Kill parts of the stack; return who they were."""
    pids = {}
    for part in parts:
        found = arena.stack.part(part).process.find()
        assert found is not None, f"{part} does not run"
        pids[part] = found.pid
        arena.stack.kill(part)
        assert arena.stack.part(part).process.find() is None
    return ", ".join(f"{part} (process {pid})" for part, pid in pids.items()) + " killed"


def _broker(arena: Arena) -> str:
    who = _kill(arena, "kafka")
    for worker in arena.staffed:
        reason = worker.await_line("waiting", reason=_NO_BROKER)["reason"]
        assert worker.ready() == (False, reason)
    arena.stack.start("kafka")
    arena.progress(120)
    return f"{who}; every worker waited: {reason}"


def _broker_and_target(arena: Arena) -> str:
    who = _kill(arena, "kafka", "warehouse")
    for worker in arena.staffed:
        worker.await_line("waiting", reason=_NO_BROKER)
        worker.await_line("waiting", reason="sink 'warehouse' could not")
    arena.stack.start("warehouse")
    arena.go_on()
    arena.stack.start("kafka")
    arena.progress(120)
    return f"{who}; every worker waited for both"


def _connect_worker(arena: Arena) -> str:
    topology = load_resolved(arena.workers[0].topology)
    before = {shard.shard: shard for shard in status(topology)}
    address = arena.random.choice([*before.values()]).worker
    number = next(n for n, url in enumerate(arena.addresses.connect) if url.endswith(address))
    on_it = [shard for shard in before.values() if shard.worker == address]
    who = _kill(arena, f"connect-{number}")
    arena.go_on()
    arena.stack.start(f"connect-{number}")

    def moved() -> bool:
        now = {shard.shard: shard for shard in status(topology)}
        return all(now[s.shard].slot_active and now[s.shard].reader != s.reader for s in on_it)

    wait_for(moved, 120, "new readers of the slots", every=0.5)
    arena.progress()
    return f"{who}; {len(on_it)} slot(s) have new readers"


def _registry(arena: Arena) -> str:
    """New workers find events in Kafka, and nobody who knows their schemas; connectors may have failed by then."""
    for worker in arena.staffed:
        worker.kill()
    arena.go_on(40, patience=120)
    who = _kill(arena, "registry")
    for worker in arena.staffed:
        worker.start()

    def waiting() -> list[tuple[Worker, str]]:
        lines = ((worker, line.get("reason", "")) for worker in arena.staffed for line in worker.lines("waiting"))
        return [(worker, reason) for worker, reason in lines if "registry" in reason]

    worker, reason = wait_for(waiting, 120, lambda: f"somebody to wait for the registry\n{arena.tails()}")[0]
    assert not worker.ready()[0], "a worker that waits says that it is ready"
    arena.stack.start("registry")
    arena.progress()
    return f"{who}; a new worker waited: {reason[:60]}"


def _registry_database(arena: Arena) -> str:
    """The registry may answer from its memory, keep silent, or refuse: the sink may not take that for an answer."""
    who = _kill(arena, "registry-db")
    worker = arena.victim()
    worker.kill()
    worker.start()
    worker.await_line("partitions assigned")
    arena.go_on(30)
    events = worker.metric("afflux_sink_events_total")
    arena.stack.start("registry-db")
    arena.progress(120)
    return f"{who}; a new worker applied {events:.0f} events meanwhile"


def _target(arena: Arena) -> str:
    who = _kill(arena, "warehouse")
    for worker in arena.staffed:
        worker.await_line("waiting", times=2)
    arena.stack.start("warehouse")
    arena.progress()
    return f"{who}; every worker waited"


def _target_in_commit(*, committed: bool) -> Callable[[Arena], str]:
    """Kill the target while a COMMIT is under way: before it was heard, or when it was done and not yet told."""

    def play(arena: Arena) -> str:
        worker = arena.victim()
        proxy = arena.proxy(worker)
        arena.begin(worker, f"written:{arena.random.randrange(2, 5)}:sleep=3")
        worker.await_line("fault")
        killed: list[str] = []

        def die() -> None:
            killed.append(_kill(arena, "warehouse"))

        with proxy.at_commit("deliver" if committed else "drop", die):
            wait_for(lambda: killed, 30, lambda: f"a COMMIT\n{worker.tail()}")
        worker.await_line("waiting")
        arena.stack.start("warehouse")
        if committed:
            worker.await_line("batch was durable already")
        arena.progress()
        return f"{killed[0]} with a COMMIT {'done and not answered' if committed else 'sent and not done'}"

    return play


def _shard(arena: Arena) -> str:
    number = arena.random.choice([*arena.shards])
    before = arena.load.interrupted
    who = _kill(arena, f"shard{number}")
    wait_for(lambda: arena.load.interrupted > before, 30, "the load to notice")
    arena.stack.start(f"shard{number}")
    arena.go_on()
    arena.progress(120)
    return f"{who}; the load was cut off {arena.load.interrupted - before} time(s)"


def _walsender(arena: Arena) -> str:
    number = arena.random.choice([*arena.shards])
    slot = f"afflux_{arena.name}_shard{number}"
    statement = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s AND active"
    with psycopg.connect(arena.addresses.shards[number].superuser_url, autocommit=True) as shard:
        (pid,) = shard.execute(statement, [slot]).fetchone() or (None,)
        assert pid is not None, f"nobody reads {slot}"
        assert shard.execute("SELECT pg_terminate_backend(%s)", [pid]).fetchone() == (True,)

        def anew() -> int | None:
            (reader,) = shard.execute(statement, [slot]).fetchone() or (None,)
            return None if reader == pid else reader

        reader = wait_for(anew, 120, f"a new reader of {slot}")
    arena.go_on()
    return f"walsender {pid} of {slot} terminated, {reader} came"


FAULTS = (
    Fault("broker killed", _broker),
    Fault("broker and target killed", _broker_and_target),
    Fault("Connect worker killed, one of two", _connect_worker),
    Fault("registry killed, sink restarted", _registry),
    Fault("registry's database killed, sink restarted", _registry_database),
    Fault("target killed", _target),
    Fault("target killed in COMMIT, not done", _target_in_commit(committed=False)),
    Fault("target killed in COMMIT, done", _target_in_commit(committed=True)),
    Fault("shard killed", _shard),
    Fault("walsender terminated", _walsender),
)
