"""Masks at the source: what the connector is told, and that no value enters Kafka in clear where it can't be made."""

import pytest

from afflux.control.planned.plan import make_plan
from afflux.control.wanted.masks import can_mask
from afflux.control.wanted.settings import check_settings
from afflux.errors import UsageError
from afflux.onboarding.doctor import _connect
from afflux.topology.masking import ColumnRule, Masking
from afflux.topology.model import Topology
from unit.control.worlds import carry_out, config_of, table, topology, world

AT_SOURCE = {
    "email": ColumnRule(mask="hash", where="source"),
    "phone": ColumnRule(mask="partial", keep=2, where="source"),
    "note": ColumnRule(mask="remove"),
}


def masked(columns: dict[str, ColumnRule], **source: object) -> Topology:
    of = topology(**source)
    tables = [each.model_copy(update={"columns": columns}) for each in of.tables]
    return of.model_copy(update={"tables": tables, "masking": Masking(key="${env:MASKS_KEY}")})


def test_the_connector_is_told_what_is_masked_at_the_source_and_the_key_stays_a_reference() -> None:
    of = masked(AT_SOURCE)
    config = config_of(of, of.shards[0], table("a"), table("b"))
    assert {key: value for key, value in config.items() if key.startswith("afflux.mask") or key == "afflux.type"} == {
        "afflux.type": "io.afflux.connect.MaskedValues",
        "afflux.masks.public.a.email": "hash",
        "afflux.masks.public.a.phone": "partial:2",
        "afflux.masks.public.b.email": "hash",
        "afflux.masks.public.b.phone": "partial:2",
        "afflux.masking.secret": "${env:MASKS_KEY}",
    }


def test_masks_in_the_sink_change_nothing_of_the_connector() -> None:
    of = topology()
    assert config_of(masked({"note": ColumnRule(mask="hash")}), of.shards[0], table()) == config_of(
        of, of.shards[0], table()
    )


@pytest.mark.parametrize("plugin", ["", "1.0.0", "2.1.0"])
def test_without_a_plugin_that_masks_nothing_is_done_and_the_config_fails_closed(plugin: str) -> None:
    of = masked(AT_SOURCE)
    plan = make_plan(of, world(of, table(), plugin=plugin))
    assert plan.actions == ()
    (problem,) = plan.problems
    assert "plugin in a version that masks" in problem.message
    assert [finding for finding in _connect(of, {}) if "masked at the source" in finding.what]


def test_a_masked_column_of_the_key_is_a_problem_of_its_table() -> None:
    of = masked({"id": ColumnRule(mask="hash", where="source")})
    (problem,) = make_plan(of, world(of, table())).problems
    assert (problem.object, "'id' shall be masked at the source" in problem.message) == ("table public.orders", True)


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        ({}, AT_SOURCE, "email, phone will be masked at the source from now on; what is in topic"),
        (AT_SOURCE, {}, "email, phone will enter Kafka in clear"),
        (AT_SOURCE, AT_SOURCE | {"phone": ColumnRule(mask="partial", where="source")}, "the mask of phone changes"),
    ],
)
def test_a_plan_shows_what_turns_and_says_what_stays(
    before: dict[str, ColumnRule], now: dict[str, ColumnRule], says: str
) -> None:
    of = masked(before)
    seen = world(of, table())
    seen = carry_out(of, seen, make_plan(of, seen))
    plan = make_plan(masked(now), seen)
    assert [note for note in plan.notes if says in note]
    changed = {change.key for action in plan.actions for change in action.changes()}
    assert any(key.startswith("afflux.masks.public.orders.") for key in changed)
    assert make_plan(masked(now), carry_out(masked(now), seen, plan)).notes == ()


@pytest.mark.parametrize(
    "key",
    [
        "column.mask.hash.v2.SHA-256.with.salt.x",
        "column.mask.with.8.chars",
        "column.truncate.to.4.chars",
        "afflux.masks.public.a.b",
        "afflux.masking.secret",
    ],
)
def test_masks_set_by_hand_are_refused_with_a_sentence(key: str) -> None:
    with pytest.raises(UsageError, match=r"source\.config can't set"):
        check_settings(topology(config={key: "public.a.b"}))


def test_what_reads_columns_again_is_refused_beside_masks_at_the_source_only() -> None:
    check_settings(topology(config={"post.processors": "x"}))
    with pytest.raises(UsageError, match="in clear"):
        check_settings(masked(AT_SOURCE, config={"post.processors": "x"}))


def test_only_plugins_of_this_wire_that_are_new_enough_mask() -> None:
    versions = ("", "1.0.9", "1.1.0", "1.10.2", "2.1.0", "x")
    assert [version for version in versions if can_mask(version)] == ["1.1.0", "1.10.2"]
