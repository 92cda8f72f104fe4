"""The main job, told step by step."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from afflux.control import apply_topology
from afflux.demo.arrival import source_counts
from afflux.demo.grants import grant_sink, grant_source
from afflux.demo.load import LastWord, Load
from afflux.demo.outcome import Outcome
from afflux.demo.screen import Screen
from afflux.demo.shop import TABLES, open_shop
from afflux.demo.sink import SinkProcess
from afflux.demo.stage import stage
from afflux.demo.target import Target
from afflux.demo.targets import target_of
from afflux.demo.watch import Watch
from afflux.errors import AffluxError
from afflux.stack import Addresses, ShardAddress, Stack
from afflux.topology.load import load_resolved
from afflux.topology.sinks import Kind
from afflux.verify import Comparison, compare

FIRST_SHARDS, ALL_SHARDS = 3, 4
CUSTOMERS, ORDERS = 2_000, 4_000
"""Rows of each shard before the load."""
_PATIENCE = 180.0
"""Seconds until something that should arrive is given up: slow machines are slow, not broken."""
_LOOK_EVERY = 0.2
_QUIET_BEFORE = 3.0
"""Seconds of load before the first thing happens."""
_DEAD_FOR = 1.5
"""Seconds from the sink's death to its return, so that people see it."""
_LOAD_AFTER = 2.0
"""Seconds of load at least after the sink has come back."""


@dataclass(frozen=True)
class Wishes:
    """What the user asked for.

    Attributes:
        folder: the state folder.
        seconds: how long the load lasts at least; it does not end before all has happened.
        rate: row changes a second, all four shards together.
        keep: leave everything running.
        sink: what to copy into.
        secure: whether all of the stack asks for TLS and a login.
    """

    folder: Path
    seconds: float = 20.0
    rate: float = 1_000.0
    keep: bool = False
    sink: Kind = Kind.POSTGRESQL
    secure: bool = False


def demonstrate(wishes: Wishes) -> Outcome:
    """Play the whole demo, with progress on standard error.

    Raises:
        AffluxError: something failed; everything has been taken down, and its files are there to be looked at.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; likewise.
    """
    with Screen() as screen:
        with stage(wishes.folder, keep=wishes.keep, say=screen.step, report=screen.part) as scene:
            try:
                outcome = _Story(scene.stack, wishes, screen).tell()
            except psycopg.Error as error:
                screen.fail()
                reason = str(error).strip().splitlines()[0]
                raise AffluxError(f"a database of the stack failed: {reason}", hint=_look_at(scene.stack)) from error
            except BaseException:
                screen.fail()
                raise
            scene.well = outcome.equal
        if wishes.keep:
            screen.say(*_ways_on(wishes, target_of(wishes.sink)))
        return replace(outcome, seconds=round(screen.seconds, 1))


class _Story:
    def __init__(self, stack: Stack, wishes: Wishes, screen: Screen) -> None:
        self._stack, self._wishes, self._screen = stack, wishes, screen
        self._sink = SinkProcess(stack.folder)
        self._load = Load(wishes.rate / ALL_SHARDS)
        self._kind = target_of(wishes.sink)

    def tell(self) -> Outcome:
        """Tell it; how long all of it took is only known when everything has been taken down."""
        step, note = self._screen.step, self._screen.note
        with ExitStack() as open_things:
            step(f"start {FIRST_SHARDS} shards, {self._kind.words}Kafka, Connect and the registry")
            addresses = self._stack.up(
                FIRST_SHARDS, secure=self._wishes.secure, report=self._screen.part, progress=self._screen.fetched
            )

            step("make two tables on each shard and fill them")
            note(f"{sum(self._fill(shard) for shard in addresses.shards):,} rows")
            if self._wishes.secure:
                step("give the roles what `afflux grants` says, and no more")
                for shard in addresses.shards:
                    grant_source(addresses, shard.name)
                grant_sink(addresses)

            step("set up a connector a shard")
            topology = self._kind.declare(addresses)
            self._apply(topology)

            step("start the sink; the rows that were there are copied")
            self._sink.start(topology)
            target = open_things.enter_context(closing(self._kind(addresses)))
            self._await_copies(target, addresses.shards)

            step("change rows on all shards")
            since, began, events_before = datetime.now(UTC), time.monotonic(), self._sink.events()
            open_things.callback(self._load.stop)
            for shard in addresses.shards:
                self._load.begin(shard.name, shard.admin_url)
            watch = Watch(addresses, self._kind(addresses), self._load, self._sink, self._screen.figures)
            open_things.callback(watch.stop)
            watch.start()
            self._go_on(_QUIET_BEFORE)

            step("add a fourth shard meanwhile")
            addresses = self._add_shard(target)

            step("kill the sink (SIGKILL) and start it again")
            self._kill_sink(target, topology)

            step("let the load go on for a while")
            self._go_on(max(_LOAD_AFTER, began + self._wishes.seconds - time.monotonic()))

            step("stop the load, and wait for the rest")
            self._await_last_words(target, self._load.end())
            note(", ".join(f"{count:,} {kind}" for kind, count in self._load.total().items()))
            lived = time.monotonic() - began

            step("compare source and target, row for row")
            results = self._compare(target, addresses.shards)
            events = self._sink.events()
            median, most = target.freshness(since)
            return Outcome(
                shards=len(addresses.shards),
                events=events,
                source_rows=sum(result.source_rows for result in results),
                target_rows=sum(result.target_rows for result in results),
                equal=all(result.equal for result in results),
                events_per_second=round((events - events_before) / lived, 1),
                freshness_p50_ms=median,
                freshness_p99_ms=most,
                seconds=0.0,
            )

    # --- the steps ------------------------------------------------------------------------------

    def _fill(self, shard: ShardAddress) -> int:
        with psycopg.connect(shard.admin_url) as connection:
            return open_shop(connection, int(shard.name.removeprefix("shard")), customers=CUSTOMERS, orders=ORDERS)

    def _apply(self, topology: Path) -> None:
        report = apply_topology(load_resolved(topology), report=self._screen.part)
        if not report.ok:
            failed = [f"{o.action.shard}: {o.action.words}: {o.error}" for o in report.outcomes if o.error]
            problems = [f"{p.shard}: {p.object}: {p.message}" for p in report.plan.problems]
            states = [f"{s.shard}: {s.verdict} {s.detail}" for s in report.statuses if not s.good]
            raise AffluxError("the connectors can't be set up:\n" + "\n".join(failed or problems or states))

    def _add_shard(self, target: Target) -> Addresses:
        note = self._screen.note
        note("start its server")
        addresses = self._stack.up(ALL_SHARDS, report=self._screen.part)
        shard = addresses.shards[-1]
        self._check()
        note(f"fill {shard.name}")
        self._fill(shard)
        if self._wishes.secure:
            grant_source(addresses, shard.name)
        note(f"{shard.name} is in the topology now: set up its connector")
        self._apply(self._kind.declare(addresses))
        self._sink.reread()
        self._await_copies(target, [shard])
        self._load.begin(shard.name, shard.admin_url)
        return addresses

    def _kill_sink(self, target: Target, topology: Path) -> None:
        pid = self._sink.pid
        self._sink.kill()
        self._screen.note(f"process {pid} is dead")
        stood = sum(target.positions().values())
        self._go_on(_DEAD_FOR, sink=False)
        self._sink.start(topology)

        def stands_still() -> str:
            moved = sum(target.positions().values()) > stood
            return "" if moved else f"{self._sink.pid} waits for its partitions"

        self._await(target, stands_still)
        self._screen.note(f"{pid} died, {self._sink.pid} goes on")

    def _compare(self, target: Target, shards: Iterable[ShardAddress]) -> list[Comparison]:
        with ExitStack() as connections:
            sources = {s.name: connections.enter_context(psycopg.connect(s.admin_url, autocommit=True)) for s in shards}
            results = [compare(sources, target.sides, table) for table in TABLES]
        if all(result.equal for result in results):
            self._screen.note(f"{sum(result.source_rows for result in results):,} rows, all equal")
        else:
            self._screen.note("not equal")
            self._screen.say(*(line for result in results for line in result.lines()))
        return results

    # --- waiting --------------------------------------------------------------------------------

    def _await_copies(self, target: Target, shards: Iterable[ShardAddress]) -> None:
        """Wait until the rows that shards without load have are in the target."""
        wanted = {(s.name, table): count for s in shards for table, count in source_counts(s).items()}

        def missing() -> str:
            there = target.counts()
            here = sum(min(count, there.get(place, 0)) for place, count in wanted.items())
            return "" if here == sum(wanted.values()) else f"{here:,} of {sum(wanted.values()):,} rows are there"

        self._await(target, missing)
        self._screen.note(f"{sum(wanted.values()):,} rows")

    def _await_last_words(self, target: Target, words: Iterable[LastWord]) -> None:
        """Wait until the last change of each shard's tables is in the target."""
        left = list(words)

        def missing() -> str:
            left[:] = [word for word in left if not target.heard(word)]
            return ", ".join(f"{word.shard} {word.table}" for word in left)

        self._await(target, missing)

    def _await(self, target: Target, missing: Callable[[], str]) -> None:
        """Wait until nothing is missing, and say meanwhile what is.

        Raises:
            AffluxError: it took too long, an event was refused, or what it depends on has ended.
        """
        give_up = time.monotonic() + _PATIENCE
        while waits_for := missing():
            self._screen.note(waits_for)
            self._go_on(_LOOK_EVERY)
            if reason := target.refused():
                raise AffluxError(reason, hint=_look_at(self._stack))
            if time.monotonic() > give_up:
                raise AffluxError(
                    f"after {_PATIENCE:.0f} s not all has arrived in the target: {waits_for}",
                    hint=_look_at(self._stack),
                )

    def _go_on(self, seconds: float, *, sink: bool = True) -> None:
        """Let time pass, and see that everybody is well.

        Args:
            seconds: how long.
            sink: whether the sink should run.
        """
        until = time.monotonic() + seconds
        while True:
            self._check(sink=sink)
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _LOOK_EVERY))

    def _check(self, *, sink: bool = True) -> None:
        """Raise what stopped the load, or the sink where it should run."""
        self._load.check()
        if sink:
            self._sink.check()


def _look_at(stack: Stack) -> str:
    return f"the logs are in {stack.folder / 'logs'}; `afflux demo --keep` leaves everything running to look at"


def _ways_on(wishes: Wishes, kind: type[Target]) -> list[str]:
    return [
        "",
        "Everything runs on: change rows on a shard, and see them in the target.",
        f'  eval "$(afflux stack env --state {wishes.folder})"',
        "  psql $SHARD0_URL -c \"update orders set status = 'mine' where id = (select min(id) from orders)\"",
        kind.shows(wishes.folder),
        f"Take it down with: afflux demo --down --state {wishes.folder}",
    ]
