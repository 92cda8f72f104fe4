"""What people do by the page of `afflux supervise`: each deed is told in the audit, before it is done and after.

The page lets people in and says who they are (`monitor.page.entry`); what is done is what the commands do.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

from afflux import control
from afflux.control import Verb
from afflux.control.done import audit
from afflux.control.done.audit import Audit, Deed
from afflux.control.planned.changes import Change
from afflux.control.verbs.resync import resynchronise
from afflux.errors import AffluxError, TopologyError, UsageError
from afflux.monitor.page.acts import Wish
from afflux.monitor.page.entry import SHORTEST
from afflux.operate import letters
from afflux.operate.desk import Desk, open_desk
from afflux.sinks.state import LetterState
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names
from afflux.topology.secrets import resolve

LISTED: Final = 200
"""Dead letters that are listed, and that one deed may be of."""
_LONGEST: Final = 200_000
"""Characters of a dead letter that are shown."""
_VERBS: Final = {"restart": Verb.RESTART_ALL, "pause": Verb.PAUSE, "resume": Verb.RESUME}
_LETTERS: Final = {"replay", "discard"}


class Hands:
    """Carries out what people want of a topology; the protocol `monitor.page.acts.Hands`.

    Args:
        topology: gives the topology as it is now, its shards resolved.
        done: told when something was done, so that its effect is looked at soon.
    """

    def __init__(self, topology: Callable[[], Topology], done: Callable[[], None] = lambda: None) -> None:
        self._topology, self._done = topology, done

    def tokens(self) -> Mapping[str, str]:
        """Give name -> token of those who may act.

        Raises:
            TopologyError: a token's reference leads nowhere, or it is so short that it could be guessed.
        """
        found = {name: resolve(token) for name, token in self._topology().monitor.page.tokens.items()}
        short = [name for name, token in found.items() if len(token) < SHORTEST]
        if short:
            raise TopologyError(
                f"monitor.page.tokens.{short[0]} has fewer than {SHORTEST} characters",
                hint="make one that nobody can guess: `openssl rand -hex 24`",
            )
        return found

    def hosts(self) -> Collection[str]:
        """Give the names that the page may be asked for by."""
        return [resolve(host) for host in self._topology().monitor.page.hosts]

    def act(self, wish: Wish) -> str:
        """Do something, and say what came of it.

        Raises:
            UsageError: there is no such action, shard, sink or dead letter, or it is not confirmed.
            AffluxError: it was tried and failed.
        """
        topology = self._topology()
        told = Audit(audit.journal(topology), f"{wish.by} by {audit.me()}")
        try:
            if wish.action in _LETTERS:
                return self._settle(topology, wish, told)
            shard = _shard(topology, wish.shard)
            if wish.action in _VERBS:
                return _change(topology, shard, wish, told)
            if wish.action == "resynchronise":
                return _read_anew(topology, shard, wish, told)
            raise UsageError(f"the page has no action {wish.action!r}")
        finally:
            self._done()

    def letters(self, sink: str) -> Mapping[str, Any]:
        """Give a sink's open dead letters: `letters`, the oldest first, how `many` there are, and `notes`.

        Raises:
            AffluxError: there is no such sink, or its target does not answer.
        """
        with _desk(self._topology(), sink) as desk:
            found = letters.find(desk, letters.Wish())
            shown = [asdict(letter) | {"first_seen": letter.first_seen.isoformat()} for letter in found[:LISTED]]
            for each in shown:
                each["last_seen"] = each["last_seen"].isoformat()
            return {"letters": shown, "many": len(found), "notes": list(dict.fromkeys(desk.notes))}

    def letter(self, sink: str, number: str) -> str:
        """Give all there is of one dead letter, its key and event decoded, as JSON: for reading, with every digit.

        Raises:
            AffluxError: there is no such sink or letter, or its target does not answer.
        """
        with _desk(self._topology(), sink) as desk:
            (found,) = letters.show(desk, [number])
        text = json.dumps(found, indent=2, ensure_ascii=False, default=str)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… and {len(text) - _LONGEST:,} characters more"

    def _settle(self, topology: Topology, wish: Wish, told: Audit) -> str:
        """Replay dead letters, or give them up."""
        if not 0 < len(wish.ids) <= LISTED:
            raise UsageError(f"choose 1 to {LISTED} dead letters")
        with _desk(topology, wish.sink) as desk:
            known = letters.find(desk, letters.Wish(ids=wish.ids))
            chosen = [letter.id for letter in known if letter.state == LetterState.OPEN]
            if not chosen:
                raise UsageError("none of them is open any more", hint="look again")
            shards = {desk.declared.shard_of(letters.parse_id(number).partition.topic) or "" for number in chosen}
            become = LetterState.REPLAYED if wish.action == "replay" else LetterState.DISCARDED
            deed = Deed(
                f"{wish.action} dead letters",
                f"{len(chosen)} of sink {wish.sink}",
                next(iter(shards)) if len(shards) == 1 else "",
                why=wish.why,
                changes=tuple(Change(number, LetterState.OPEN, become) for number in chosen),
            )
            with told.doing(deed):
                if become is LetterState.DISCARDED:
                    given_up = letters.discard(desk, chosen)
                    held = letters.held_behind(desk, chosen)
                    return f"{given_up} discarded" + (f"; {held} were held behind them: replay those" if held else "")
                tried = letters.replay(desk, letters.Wish(ids=chosen), lambda _done, _of: None)
                failed = [letter for letter in tried if letter.state == LetterState.OPEN]
                if failed:
                    raise AffluxError(
                        f"{len(failed)} of {len(tried)} failed again; the first: {failed[0].reason}",
                        hint="they stay open, with their new reasons",
                    )
                return f"{sum(letter.state == LetterState.REPLAYED for letter in tried)} replayed"


def _change(topology: Topology, shard: Shard, wish: Wish, told: Audit) -> str:
    """Bring a shard's connector to another state."""
    deed = Deed(
        f"{wish.action} connector", f"connector {shard_names(topology, shard).connector}", shard.name, why=wish.why
    )
    with told.doing(deed):
        (changed,) = control.change_states(topology, _VERBS[wish.action], only=[shard.name])
        if changed.error:
            raise AffluxError(f"{changed.connector}: {changed.error}", hint=changed.hint)
    return f"{changed.connector} was {changed.before} and is {changed.after}"


def _read_anew(topology: Topology, shard: Shard, wish: Wish, told: Audit) -> str:
    """Read a shard anew; the deed tells of itself, step by step."""
    if wish.confirm != shard.name:
        raise UsageError(
            "it drops the slot and reads all rows anew", hint=f"confirm it by the shard's name: {shard.name}"
        )
    # The supervisor sees to its end: nobody waits here for a copy that may take hours.
    ((done,), _) = resynchronise(topology, [shard.name], wait=0, by=told.by, why=wish.why)
    if done.error:
        raise AffluxError(f"{shard.name} can't be read anew: {done.error}", hint=done.hint)
    return f"the old slot of {shard.name} is gone, the sinks know, and all rows are read anew"


def _shard(topology: Topology, name: str) -> Shard:
    for shard in topology.shards:
        if shard.name == name:
            return shard
    raise UsageError(f"there is no shard {name!r}")


@contextmanager
def _desk(topology: Topology, sink: str) -> Iterator[Desk]:
    for each in topology.own_sinks:
        if each.name == sink:
            with open_desk(topology, each) as desk:
                yield desk
            return
    raise UsageError(f"there is no sink {sink!r}")
