"""Failures that hurt whole servers: for a stack that nobody else uses."""

import signal

from heal.clinic import Clinic
from heal.failure import Failure


def _kill_database(clinic: Clinic) -> None:
    clinic.stack.kill("shard0")


def _start_database(clinic: Clinic) -> None:
    clinic.stack.start("shard0")


def _lose_wal(clinic: Clinic) -> None:
    """The connector is stopped while the shard writes more WAL than it may keep."""
    ballast = "insert into public.ballast select repeat(md5(i::text), 60) from generate_series(1, 15000) i"
    with clinic.unseen():
        clinic.stop()
        clinic.insert("'in WAL that goes'")
        clinic.delete_oldest()
        clinic.superuser(
            "alter system set max_slot_wal_keep_size = '1MB'",
            "alter system set max_wal_size = '32MB'",
            "select pg_reload_conf()",
            "create table public.ballast (x text)",
            *(statement for _ in range(4) for statement in (ballast, "select pg_switch_wal()")),
            "drop table public.ballast",
            "checkpoint",
        )
        ((kept,),) = clinic.superuser(
            f"select wal_status from pg_replication_slots where slot_name = '{clinic.names.slot}'"
        )
        assert kept == "lost"
        clinic.superuser("alter system reset all", "select pg_reload_conf()")
        clinic.resume()


def _fill_slots(clinic: Clinic) -> None:
    """A shard more, on a server whose slots are all taken."""
    clinic.furnish(1)
    clinic.superuser(
        "select pg_create_physical_replication_slot('filler' || i) from generate_series(1, (select"
        " current_setting('max_replication_slots')::int - count(*)::int from pg_replication_slots)) i",
        shard=1,
    )
    clinic.declare(shards=[0, 1])


def _free_slots(clinic: Clinic) -> None:
    clinic.superuser(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'filler%'", shard=1
    )


def _without_logical_decoding(clinic: Clinic) -> None:
    """A shard more, whose server writes no WAL to read changes from."""
    clinic.furnish(1)
    clinic.superuser("alter system set wal_level = replica", shard=1)
    _restart(clinic, "shard1")
    clinic.declare(shards=[0, 1])


def _with_logical_decoding(clinic: Clinic) -> None:
    clinic.superuser("alter system reset wal_level", shard=1)
    _restart(clinic, "shard1")


def _restart(clinic: Clinic, part: str) -> None:
    process = clinic.stack.part(part).process
    process.send(signal.SIGINT)
    assert process.gone(30)
    clinic.stack.start(part)


def _kill_registry(clinic: Clinic) -> None:
    """A schema that the converter has to ask for; when the task has failed, the registry comes back."""
    clinic.stack.kill("registry")
    clinic.sql("alter table $.orders add fresh int", "update $.orders set fresh = 1 where id = 1")
    clinic.sql("alter table $.orders drop fresh")
    clinic.await_failed()
    clinic.stack.start("registry")


def _kill_worker(clinic: Clinic) -> None:
    """The one of two that runs the task."""
    worker = clinic.status().worker
    number = next(n for n, url in enumerate(clinic.addresses.connect) if url.endswith(worker))
    clinic.stack.kill(f"connect-{number}")
    clinic.killed = f"connect-{number}"


def _start_worker(clinic: Clinic) -> None:
    clinic.await_well()
    clinic.stack.start(clinic.killed)


def _exhaust_memory(clinic: Clinic) -> None:
    """One row of 224 MB, for workers with half a gigabyte."""
    clinic.sql(
        "insert into $.orders values (2000001, (select string_agg(repeat(md5(i::text), 1000), '')"
        " from generate_series(1, 7000) i))"
    )


def _read_anew(clinic: Clinic) -> None:
    """The row can't be read past; without it, the shard is read anew."""
    clinic.sql("delete from $.orders where id = 2000001")
    clinic.resync()


def _revoke_heartbeat(clinic: Clinic) -> None:
    clinic.superuser("revoke execute on function pg_logical_emit_message(boolean, text, text) from public")


def _grant_heartbeat(clinic: Clinic) -> None:
    clinic.superuser("grant execute on function pg_logical_emit_message(boolean, text, text) to public")


FAILURES = (
    Failure("database killed", _kill_database, "database away", _start_database, waits=True),
    Failure("WAL removed", _lose_wal, "slot invalidated"),
    Failure("registry killed", _kill_registry, "registry away"),
    Failure("Connect worker killed, one of two", _kill_worker, "worker gone", _start_worker, waits=True),
    Failure("heartbeat not allowed", _revoke_heartbeat, "heartbeats do not come through", _grant_heartbeat, waits=True),
    Failure("out of memory", _exhaust_memory, "out of memory", _read_anew, waits=True),
    Failure("no slot left, on a new shard", _fill_slots, "no room on the server", _free_slots, shard="shard1"),
    Failure(
        "wal_level, on a new shard", _without_logical_decoding, "wal_level", _with_logical_decoding, shard="shard1"
    ),
)
