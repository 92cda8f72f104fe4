"""Failures that hurt nobody but the patient, so that they may be played on a stack that others use."""

import signal
import time

from afflux.control.seen.neighbours import RESYNC, UNFINISHED
from afflux.control.wanted.settings import TOPOLOGY_MARK
from chaos.waiting import wait_for
from heal.clinic import PATIENCE, Clinic
from heal.failure import Failure

_LARGE = "(select string_agg(md5(i::text), '') from generate_series(1, 20000) i)"
"""640 kB that do not shrink."""


def _delete_connector(clinic: Clinic) -> None:
    clinic.connect.delete(clinic.names.connector)
    clinic.insert("'without a connector'")


def _drop_publication(clinic: Clinic) -> None:
    """Nothing is changed while it is gone, so the slot can be read on."""
    clinic.superuser(f"drop publication {clinic.names.publication}")
    clinic.end_sessions()


def _change_without_publication(clinic: Clinic) -> None:
    """Another one makes it again, and changes were made in between."""
    _drop_publication(clinic)
    clinic.insert("'without a publication'")
    clinic.delete_oldest()
    clinic.sql(f"create publication {clinic.names.publication} for table $.orders with (publish_via_partition_root)")
    clinic.superuser(f"alter publication {clinic.names.publication} owner to {clinic.name}")


def _replace_publication(clinic: Clinic) -> None:
    """As before, while the supervisor does not look."""
    with clinic.unseen():
        _change_without_publication(clinic)


def _lose_publication(clinic: Clinic) -> None:
    """The supervisor makes it again; what was changed until then is missing."""
    with clinic.unseen():
        _drop_publication(clinic)
        clinic.insert("'without a publication, and nobody sees it'")
        clinic.delete_oldest()


def _drop_slot(clinic: Clinic) -> None:
    clinic.drop_slot()
    clinic.insert("'without a slot'")
    clinic.delete_oldest()


def _make_slot_anew(clinic: Clinic) -> None:
    with clinic.unseen():
        clinic.stop()
        clinic.drop_slot()
        clinic.insert("'between two slots'")
        clinic.delete_oldest()
        clinic.superuser(f"select pg_create_logical_replication_slot('{clinic.names.slot}', 'pgoutput')")
        clinic.resume()


def _take_slot(clinic: Clinic) -> None:
    """Another connector reads the slot, and confirms what it reads."""
    config = clinic.config() | {"topic.prefix": _thief(clinic), "snapshot.mode": "no_data", TOPOLOGY_MARK: "thieves"}
    clinic.stop()
    clinic.connect.put_config(_thief(clinic), config)
    wait_for(clinic.slot_active, PATIENCE, "the thief to read the slot")
    clinic.insert("'for the thief alone'")
    clinic.resume()


def _stop_thief(clinic: Clinic) -> None:
    """What it has read is missing; that comes to light while it is there, and must not be forgotten afterwards."""
    wait_for(lambda: clinic.supervisor.lines("changes are missing"), PATIENCE, lambda: f"a gap\n{clinic.tails()}")
    clinic.connect.delete(_thief(clinic))


def _die_resynchronising(clinic: Clinic) -> None:
    """What is left of one who has begun to read the shard anew, and died: the mark, and no slot."""
    with clinic.unseen():
        clinic.connect.put_config(clinic.names.connector, clinic.config() | {UNFINISHED: RESYNC})
        clinic.stop()
        clinic.drop_slot()
        clinic.insert("'while nobody goes on'")
        clinic.delete_oldest()


def _thief(clinic: Clinic) -> str:
    return f"{clinic.name}-thief"


def _change_password(clinic: Clinic) -> None:
    clinic.superuser("alter role $ password 'another'")
    clinic.end_sessions()
    clinic.insert("'nobody may log in'")


def _change_password_back(clinic: Clinic) -> None:
    clinic.superuser("alter role $ password 'right'")


def _take_replication(clinic: Clinic) -> None:
    clinic.superuser("alter role $ noreplication")
    clinic.end_sessions()


def _give_replication(clinic: Clinic) -> None:
    clinic.superuser("alter role $ replication")


def _hold_to_rule(clinic: Clinic) -> None:
    column = f"code{time.time_ns()}"
    with clinic.unseen():
        clinic.registry.set_compatibility(f"{clinic.topic}-value", "BACKWARD")
        clinic.sql(
            f"alter table $.orders add {column} int not null default 1",
            f"alter table $.orders alter {column} drop default",
            f"update $.orders set {column} = 2",
        )
        clinic.await_failed()
        clinic.sql(f"alter table $.orders alter {column} drop not null")


def _shrink_topic(clinic: Clinic) -> None:
    """Debezium tries for a minute before it gives up."""
    with clinic.unseen():
        clinic.topics.configure(clinic.topic, {"max.message.bytes": "10000"})
        clinic.insert(_LARGE)
        clinic.await_failed()


def _write_larger_than_declared(clinic: Clinic) -> None:
    clinic.insert(f"{_LARGE} || {_LARGE}")


def _declare_larger(clinic: Clinic) -> None:
    clinic.declare(largest=8 * 1024 * 1024)


def _configure_badly(clinic: Clinic) -> None:
    """Connect takes it, and the task dies of it."""
    wrong = {"value.converter.apicurio.registry.url": "http://127.0.0.1:1/apis/registry/v2"}
    with clinic.unseen():
        clinic.connect.put_config(clinic.names.connector, clinic.config() | wrong)
        clinic.insert("'with a bad config'")
        clinic.await_failed()


def _spoil_identity(clinic: Clinic) -> None:
    """A new table is followed at once; then its changes do not say any more which row they mean."""
    clinic.sql("create table $.fleeting (id int primary key)")
    clinic.supervisor.send(signal.SIGHUP)
    wait_for(lambda: f"{clinic.name}.fleeting" in clinic.status().tables, PATIENCE, "the new table", every=1)
    clinic.sql("alter table $.fleeting replica identity nothing")
    clinic.supervisor.send(signal.SIGHUP)


def _mend_table(clinic: Clinic) -> None:
    clinic.sql("alter table $.fleeting replica identity default")
    clinic.supervisor.send(signal.SIGHUP)


FAILURES = (
    Failure("connector deleted", _delete_connector, "connector deleted"),
    Failure("publication dropped", _drop_publication, "publication missing"),
    Failure("slot dropped", _drop_slot, "slot gone"),
    Failure("password changed", _change_password, "credentials", _change_password_back),
    Failure("resynchronisation cut off", _die_resynchronising, "resynchronisation cut off"),
    Failure("registry rule", _hold_to_rule, "registry rule"),
    Failure("publication made again after changes", _change_without_publication, "publication was gone"),
    Failure("slot made anew by another", _make_slot_anew, "slot moved on"),
    Failure("slot taken by another connector", _take_slot, "slot in use", _stop_thief, waits=True),
    Failure("REPLICATION taken from the role", _take_replication, "rights missing", _give_replication),
    Failure("topic made smaller", _shrink_topic, "record too large"),
    Failure("row larger than declared", _write_larger_than_declared, "record too large", _declare_larger),
    Failure("config changed by hand", _configure_badly, "changed by hand"),
    Failure("replica identity nothing", _spoil_identity, "table not fit", _mend_table),
)
NEWER = (
    Failure("publication replaced", _replace_publication, "publication replaced"),
    Failure("publication lost", _lose_publication, "publication replaced"),
)
"""Of PostgreSQL 18 and newer."""
