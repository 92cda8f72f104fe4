"""A shard that is taken out of the topology: its rows are kept or removed, decided once, and those of others come forward."""

from datetime import timedelta
from typing import Any

import pytest
import structlog

from afflux.errors import Fenced
from afflux.sinks.batch import Batch, DeadLetter, Partition
from afflux.sinks.state import LetterFilter, LetterState
from afflux.stream.leavers import Leavers
from afflux.topology.model import Topology
from declared import topology
from targets import ONE, ZERO, Target, batch, changes, content

BOTH = {"shard0": "shard0", "shard1": "shard1"}
AT_ONCE, LATER = timedelta(0), timedelta(hours=1)


SHARED = Partition("all.public.t", 0)
ROUTED = {
    "transforms": "route",
    "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
    "transforms.route.regex": r"shard[0-9]+\.(public\..*)",
    "transforms.route.replacement": "all.$1",
}


def declared(target: Target, *shards: str, decision: str, config: dict[str, str] | None = None) -> Topology:
    source: dict[str, Any] = {
        "database": "app",
        "user": "cdc",
        "password": "${env:PASSWORD}",
        "shards": [{"name": shard, "host": "h"} for shard in shards],
        "on_shard_removed": decision,
        "config": config or {},
    }
    rename = {
        "type": "RegexRouter",
        "regex": r"(?:all|shard[0-9]+)\.public\.(.*)",
        "replacement": f"{target.schema}.$1",
    }
    return topology(source=source, transforms=[rename])


def filled(target: Target) -> None:
    """Row 7 is on both shards, and shard 0's is shown; 1 is shard 0's, 2 is shard 1's. A letter of shard 0 is dead."""
    sink = target.sink()
    sink.claim([ZERO, ONE])
    sink.apply(
        batch(0, changes(target, [("shard1", 5, False, 7, "hidden"), ("shard1", 5, False, 2, "b")]), partition=ONE)
    )
    sink.apply(batch(0, changes(target, [("shard0", 9, False, 7, "shown"), ("shard0", 9, False, 1, "a")])))
    sink.apply(Batch(batch(1).spans, dead=(DeadLetter(ZERO, 1, b"\0\0\0\0\1k", b"x", (), kind="k", reason="r"),)))


def leavers(target: Target, *shards: str, decision: str, unseen: timedelta = AT_ONCE) -> Leavers:
    return Leavers(
        declared(target, *shards, decision=decision), target.state(), target.sink, lambda _: {SHARED: 3}, unseen
    )


def test_rows_are_removed_and_those_that_they_hid_take_their_place(target: Target) -> None:
    filled(target)
    leavers(target, "shard0", "shard1", decision="delete").round()
    with structlog.testing.capture_logs() as lines:
        leavers(target, "shard1", decision="delete").round()
    assert content(target) == [(2, "b", "shard1"), (7, "hidden", "shard1")]
    assert [(line["event"], line["shard"]) for line in lines if line["log_level"] == "warning"] == [
        ("shard removed", "shard0"),
        ("rows deleted", "shard0"),
    ]
    assert [head.state for head in target.state().letters(LetterFilter(states=None))] == [LetterState.SUPERSEDED]
    assert {standing.partition for standing in target.state().positions()} == {ONE}


def test_rows_are_kept_where_that_is_wanted(target: Target) -> None:
    filled(target)
    before = content(target)
    leavers(target, "shard0", "shard1", decision="keep").round()
    leavers(target, "shard1", decision="keep").round()
    assert content(target) == before
    assert {standing.partition for standing in target.state().positions()} == {ZERO, ONE}


def test_it_is_decided_once(target: Target) -> None:
    filled(target)
    before = content(target)
    leavers(target, "shard0", "shard1", decision="keep").round()
    leavers(target, "shard1", decision="keep").round()
    leavers(target, "shard1", decision="delete").round()
    assert content(target) == before
    assert target.state().note_shards({"shard1": "shard1"})[0].done


def test_a_shard_that_some_worker_still_has_is_left_alone(target: Target) -> None:
    filled(target)
    before = content(target)
    leavers(target, "shard0", "shard1", decision="delete").round()
    leavers(target, "shard1", decision="delete", unseen=LATER).round()
    assert content(target) == before
    (gone,) = target.state().note_shards({"shard1": "shard1"})
    assert (gone.name, gone.prefix, gone.decision, gone.done) == ("shard0", "shard0", "", False)


def test_a_worker_that_still_had_it_writes_nothing_more(target: Target) -> None:
    filled(target)
    late = target.sink()
    late.claim([ZERO])
    leavers(target, "shard0", "shard1", decision="delete").round()
    leavers(target, "shard1", decision="delete").round()
    with pytest.raises(Fenced):
        late.apply(batch(2, changes(target, [("shard0", 99, False, 1, "late")])))
    assert content(target) == [(2, "b", "shard1"), (7, "hidden", "shard1")]


def test_what_a_death_has_cut_short_is_done_by_the_next(target: Target) -> None:
    filled(target)
    leavers(target, "shard0", "shard1", decision="delete").round()
    state = target.state()
    assert state.decide_shard("shard0", "delete", AT_ONCE)
    assert not state.decide_shard("shard0", "keep", AT_ONCE)
    leavers(target, "shard1", decision="keep").round()
    assert content(target) == [(2, "b", "shard1"), (7, "hidden", "shard1")]


def test_a_shard_that_comes_back_is_a_new_one(target: Target) -> None:
    filled(target)
    leavers(target, "shard0", "shard1", decision="delete").round()
    leavers(target, "shard1", decision="delete").round()
    leavers(target, "shard0", "shard1", decision="delete").round()
    assert target.state().note_shards(BOTH) == []
    sink = target.sink()
    assert sink.claim([ZERO]) == {ZERO: 0}
    sink.apply(batch(0, changes(target, [("shard0", 200, False, 1, "again")])))
    assert content(target)[0] == (1, "again", "shard0")
    leavers(target, "shard1", decision="delete").round()
    assert content(target) == [(2, "b", "shard1"), (7, "hidden", "shard1")]


def test_of_a_topic_that_shards_share_one_shards_rows_go_and_late_ones_are_kept_out(target: Target) -> None:
    sink = target.sink()
    sink.claim([SHARED])
    rows = [("shard0", 5, False, 1, "gone"), ("shard1", 5, False, 2, "stays")]
    sink.apply(batch(0, changes(target, rows), partition=SHARED))

    def round_of(*shards: str) -> None:
        whole = declared(target, *shards, decision="delete", config=ROUTED)
        Leavers(whole, target.state(), target.sink, lambda _: {SHARED: 3}, AT_ONCE).round()

    round_of("shard0", "shard1")
    round_of("shard1")
    assert content(target) == [(2, "stays", "shard1")]
    late = [("shard0", 8, False, 3, "late"), ("shard1", 8, False, 4, "on time")]
    sink.apply(batch(1, changes(target, late), partition=SHARED))
    assert content(target) == [(2, "stays", "shard1"), (4, "on time", "shard1")]
    assert [standing.partition for standing in target.state().positions()] == [SHARED]
