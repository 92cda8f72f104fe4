"""What a doctor says of a shard, from what was observed there."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from afflux.clients.catalog import Column, Relation, Slot
from afflux.control.seen.world import ShardWorld
from afflux.onboarding.doctor import together
from afflux.onboarding.findings import Finding, Severity
from afflux.onboarding.shard_findings import shard_findings
from declared import topology
from unit.control import worlds

SERVER = dataclasses.replace(worlds.SERVER, max_kept_bytes=1 << 30)
ORDERS = Relation("public", "orders", primary_key=("id",))
WORLD = ShardWorld(SERVER, (ORDERS,))
WAIT = Column("public", "orders", "wait", "interval", nullable=True, default=False, large=False)
FLAGS = Column("public", "orders", "flags", "boolean[]", nullable=True, default=False, large=True)
NOTE = Column("public", "orders", "note", "text", nullable=True, default=True, large=True)


def said(world: ShardWorld, *columns: Column, exact: bool = True) -> list[Finding]:
    declared = topology()
    return shard_findings(declared, declared.shards[0], world, columns, exact=exact)


def test_a_shard_that_is_well_has_no_finding() -> None:
    assert said(WORLD, WAIT, FLAGS, NOTE) == []


def test_what_keeps_a_shard_from_being_set_up_is_an_error_with_its_statement() -> None:
    (finding,) = said(dataclasses.replace(WORLD, server=dataclasses.replace(SERVER, wal_level="replica")))
    assert finding.severity is Severity.ERROR
    assert finding.fix.startswith("ALTER SYSTEM SET wal_level = logical;")


def test_wal_without_a_limit_is_a_warning() -> None:
    (finding,) = said(dataclasses.replace(WORLD, server=dataclasses.replace(SERVER, max_kept_bytes=None)))
    assert finding.severity is Severity.WARNING
    assert "max_slot_wal_keep_size" in finding.fix


def test_no_slot_left_for_a_new_one_is_a_warning_once_there_is_one() -> None:
    slot = Slot("afflux_test_shard0", "pgoutput", "app", active=True)
    full = dataclasses.replace(SERVER, used_slots=10)
    (finding,) = said(dataclasses.replace(WORLD, server=full, slot=slot))
    assert finding.severity is Severity.WARNING
    assert "none could be made to replace a lost one" in finding.what


def test_infinite_intervals_are_warned_of_where_the_server_has_them() -> None:
    newer = dataclasses.replace(WORLD, server=dataclasses.replace(SERVER, version=180000))
    (finding,) = said(newer, WAIT)
    assert "public.orders.wait" in finding.what
    assert said(WORLD, WAIT) == []


def test_without_the_plugin_the_columns_at_risk_are_named() -> None:
    defaults, hidden = said(WORLD, WAIT, FLAGS, NOTE, exact=False)
    assert "public.orders.note" in defaults.what
    assert "public.orders.flags" in hidden.what
    full = dataclasses.replace(WORLD, relations=(dataclasses.replace(ORDERS, identity="f"),))
    assert said(full, FLAGS, exact=False) == []


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=9))
def test_what_several_shards_share_is_said_once(whats: list[str]) -> None:
    found = [Finding(Severity.ERROR, f"shard {n}", what) for n, what in enumerate(whats)]
    assert [finding.what for finding in together(found)] == list(dict.fromkeys(whats))
