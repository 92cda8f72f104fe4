import dataclasses
from typing import Any

import pytest

from afflux.clients.catalog import Publication, Relation
from afflux.control.planned.checks import problems
from afflux.control.seen.world import Problem, ShardWorld
from afflux.control.wanted.desired import captured, desired
from afflux.topology.model import Topology
from unit.control.worlds import SERVER, published, slot, table, topology


def found(of: Topology, *tables: Relation, **parts: Any) -> list[Problem]:
    seen = ShardWorld(**{"server": SERVER, "relations": tables, **parts})
    shard = of.shards[0]
    return problems(of, shard, seen, desired(of, shard, tables, exact=True))


def test_a_sound_shard_has_no_problem() -> None:
    assert found(topology(), table()) == []


@pytest.mark.parametrize(
    ("traits", "message", "hint"),
    [
        ({"primary_key": ()}, "has no primary key", "ALTER TABLE public.orders ADD PRIMARY KEY"),
        ({"primary_key": (), "identity": "f"}, "has no primary key", "ADD PRIMARY KEY"),
        ({"identity": "n"}, "replica identity is NOTHING", "ALTER TABLE public.orders REPLICA IDENTITY DEFAULT;"),
        ({"identity": "i", "identity_key": ("other",)}, "without the primary key's id", "REPLICA IDENTITY DEFAULT"),
        ({"deferrable_key": True}, "deferrable", "NOT DEFERRABLE"),
        ({"deferrable_key": True, "identity": "f"}, "deferrable", "NOT DEFERRABLE"),
        ({"logged": False}, "unlogged", "ALTER TABLE public.orders SET LOGGED;"),
        ({"readable": False}, "role cdc may not read it", "GRANT SELECT ON public.orders TO cdc;"),
        ({"hidden_rows": True}, "row-level security", "ALTER ROLE cdc BYPASSRLS;"),
    ],
)
def test_a_table_that_can_not_be_followed_is_told_with_the_way_out(
    traits: dict[str, Any], message: str, hint: str
) -> None:
    (problem,) = found(topology(), table(**traits))
    assert problem.object == "table public.orders"
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    "traits",
    [
        {"identity": "f"},
        {"identity": "i", "identity_key": ("id", "tenant")},
        {"primary_key": (), "identity": "i", "identity_key": ("code",)},
    ],
)
def test_a_table_whose_identity_holds_its_key_is_fine(traits: dict[str, Any]) -> None:
    assert found(topology(), table(**traits)) == []


def entry(**traits: Any) -> Topology:
    """A topology whose one entry of `tables` says more."""
    of = topology()
    return of.model_copy(update={"tables": [of.tables[0].model_copy(update=traits)]})


@pytest.mark.parametrize(
    ("declared", "traits", "message"),
    [
        ({"key": ["code"]}, {}, "its declared key (code) is not its own"),
        ({"key": ["code"]}, {"primary_key": ()}, "its declared key (code) is not its own"),
        (
            {"key": ["code"]},
            {"identity": "i", "identity_key": ("id", "code")},
            "its declared key (code) is not its own",
        ),
        ({"mode": "append"}, {"primary_key": ()}, "PostgreSQL refuses UPDATE and DELETE"),
        ({"mode": "append"}, {"deferrable_key": True}, "PostgreSQL refuses UPDATE and DELETE"),
        ({"mode": "history"}, {"primary_key": (), "identity": "f"}, "it has no primary key"),
        ({"mode": "history"}, {"deferrable_key": True, "identity": "f"}, "its primary key is deferrable"),
        ({"key": ["a;b"]}, {"identity": "f"}, "has one of :;,"),
    ],
)
def test_what_a_table_keeps_asks_for_its_own_identity(
    declared: dict[str, Any], traits: dict[str, Any], message: str
) -> None:
    (problem,) = found(entry(**declared), table(**traits))
    assert message in problem.message


@pytest.mark.parametrize(
    ("declared", "traits"),
    [
        ({"key": ["id"]}, {}),
        ({"key": ["code"]}, {"identity": "f"}),
        ({"key": ["code"]}, {"primary_key": (), "identity": "f"}),
        ({"key": ["code"]}, {"deferrable_key": True, "identity": "f"}),
        ({"mode": "append"}, {"primary_key": (), "identity": "f"}),
        ({"mode": "append"}, {"deferrable_key": True, "identity": "f"}),
        ({"mode": "history"}, {}),
    ],
)
def test_a_table_without_a_key_that_can_be_trusted_has_its_ways(
    declared: dict[str, Any], traits: dict[str, Any]
) -> None:
    assert found(entry(**declared), table(**traits)) == []


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        ({"wal_level": "replica"}, "wal_level is replica"),
        ({"may_replicate": False}, "may not replicate"),
        ({"used_slots": 10}, "all 10 replication slots are in use"),
        ({"used_senders": 10}, "all 10 WAL senders are in use"),
        ({"standby": True}, "standby"),
        ({"version": 120017}, "PostgreSQL 12"),
        ({"may_create": False}, "may not make it"),
    ],
)
def test_a_server_that_can_not_serve_is_told(traits: dict[str, Any], message: str) -> None:
    (problem,) = found(topology(), table(), server=dataclasses.replace(SERVER, **traits))
    assert message in problem.message
    assert problem.hint


def test_a_role_that_may_not_publish_is_given_the_statement_for_one_who_may() -> None:
    made = "CREATE PUBLICATION afflux_orders_shard0 FOR TABLE public.orders WITH (publish_via_partition_root = true);"
    (foreign,) = found(topology(), table(owned=False))
    assert "does not own public.orders" in foreign.message
    (unable,) = found(topology(), table(), server=dataclasses.replace(SERVER, may_create=False))
    assert foreign.hint.endswith(made)
    assert unable.hint.endswith(made)


def test_a_publication_that_an_administrator_made_is_taken_as_it_is() -> None:
    of = topology()
    theirs = dataclasses.replace(published(of, of.shards[0], table()), owned=False)
    assert found(of, table(owned=False), publication=theirs) == []


def test_full_slots_do_not_matter_once_ours_is_there() -> None:
    of = topology()
    full = dataclasses.replace(SERVER, used_slots=10)
    assert found(of, table(), server=full, slot=slot(of, of.shards[0])) == []


def test_a_table_that_does_not_exist_is_told_with_the_one_that_was_meant() -> None:
    (problem,) = found(topology(pattern="sales.orders"), table("orders", "public"))
    assert (problem.object, problem.message) == ("table sales.orders", "there is no such table")
    assert problem.hint == "Did you mean public.orders?"


def test_an_expression_that_matches_nothing_is_told() -> None:
    (problem,) = found(topology(pattern=r"sales\..*"), table())
    assert problem.message == "no table of the shard matches"


def test_a_view_is_no_table() -> None:
    (problem,) = found(topology(pattern="public.orders"), table(kind="v", primary_key=()))
    assert problem.message == "it is a view, which has no changes to follow"


def test_a_slot_of_another_plugin_is_not_taken() -> None:
    of = topology()
    other = dataclasses.replace(slot(of, of.shards[0]), plugin="wal2json")
    (problem,) = found(of, table(), slot=other)
    assert "it is of wal2json" in problem.message


def test_a_publication_for_all_tables_can_not_be_set() -> None:
    (problem,) = found(topology(), table(), publication=Publication("p", all_tables=True))
    assert "it is for all tables" in problem.message


def test_partitions_come_as_their_root() -> None:
    of = topology()
    root = table("events", kind="p")
    leaf = table("events_2026", root="public.events")
    assert captured(of, of.shards[0], [root, leaf]) == (root,)


def test_a_partition_followed_alone_stays() -> None:
    of = topology(pattern="public.events_2026")
    leaf = table("events_2026", root="public.events")
    assert captured(of, of.shards[0], [table("events", kind="p"), leaf]) == (leaf,)


def test_a_partition_s_own_identity_counts() -> None:
    root = table("events", kind="p")
    leaf = table("events_2026", root="public.events", identity="n")
    (problem,) = found(topology(), root, leaf)
    assert problem.object == "table public.events_2026"
