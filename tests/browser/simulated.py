"""A supervisor's view of many shards over an hour, without any server."""

import json
import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from afflux.control import ShardStatus, Verdict
from afflux.control.done.audit import Deed, Record
from afflux.monitor.flows import FlowReading
from afflux.monitor.forecast import Forecast
from afflux.monitor.page import Seen
from afflux.monitor.slots import Room, ShardReading
from afflux.monitor.topics import TopicReading
from declared import topology
from looks import flow, reading, readings, streaming, topic, wal

GIB = 1024**3


class Simulated:
    """`count` shards, some of them ill; each call of `look` is the next look."""

    def __init__(self, count: int = 200, *, begun: datetime, between: float = 30.0, said: str = "no answer") -> None:
        self.names = [f"shard{number:03}" for number in range(count)]
        shards = [{"name": name, "host": "h"} for name in self.names]
        source = {"database": "app", "user": "cdc", "password": "${env:PASSWORD}", "shards": shards}
        self._topology = topology(name="orders", source=source)
        self._chance = random.Random(7)
        self._ends = dict.fromkeys(self.names, 1_000_000)
        self._at, self._between, self._looks = begun, between, 0
        self._said = said

    def look(self) -> Seen:
        """Look once more."""
        self._at += timedelta(seconds=self._between)
        self._looks += 1
        wave = 1 + 0.6 * math.sin(self._looks / 15)
        for number, name in enumerate(self.names):
            self._ends[name] += int(self._between * (4 + number % 9) * wave * self._chance.uniform(0.7, 1.3))
        return Seen(
            topology=self._topology,
            readings=readings(
                self._topology,
                at=self._at,
                shards=[self._shard(number, name) for number, name in enumerate(self.names)],
                flows=[self._flow(number, name) for number, name in enumerate(self.names)],
                topics={f"{name}.public.t": self._topic(name) for name in self.names},
            ),
            streams=streaming(self.names)
            | {
                self.names[7]: ShardStatus(
                    self.names[7], Verdict.FAILED, f"the registry: {self._said}", "See the registry's log."
                )
            },
        )

    def deeds(self) -> list[Record]:
        """Give what was done."""
        deed = Deed(
            "restart connector",
            "connector orders-shard007",
            "shard007",
            "registry away",
            f"the task says: {self._said}",
        )
        created = Deed(
            "create connector", "connector orders-shard199", "shard199", "", "it is in the topology, and not there"
        )
        began = [self._at - timedelta(seconds=seconds) for seconds in (900, 60)]
        who = "ops@control-1:4711"
        return [Record("1", began[0], began[0], who, created), Record("2", began[1], began[1], who, deed)]

    def schemas(self) -> dict[str, Any]:
        """Give what differs in the tables."""
        apart = {"public.orders": ("note", "type", {"text": self.names[:-1], "varchar(40)": self.names[-1:]})}
        if self._said != "no answer":
            apart[self._said] = (self._said, "field", {self._said: self.names[:2], "absent": self.names[2:3]})
        breach = {
            "table": "public.items",
            "field": "price",
            "what": "null",
            "promised": "not null",
            "found": "nullable",
        }
        return {
            "apart": [
                {"table": table, "field": field, "what": what, "values": values}
                for table, (field, what, values) in apart.items()
            ],
            "breaches": [breach | {"where": self.names[10:13], "by": "shards"}],
            "contracts": 4,
            "notes": [],
            "unseen": [],
        }

    def letters(self) -> dict[str, Any]:
        """Give the dead letters of the one sink."""
        at = self._at.isoformat()
        common = {"table": "public.orders", "state": "open", "first_seen": at, "last_seen": at}
        letters = [
            {
                "id": f"{self.names[99]}.public.orders:0:{4711 + number}",
                "key": self._key(number),
                "kind": kind,
                "reason": why,
            }
            for number, (kind, why) in enumerate(
                [
                    ("refused by the target", 'new row for relation "orders" violates check constraint "paid"'),
                    ("refused by the target", "value too long for type character varying(40)"),
                    ("held behind", "an earlier event of its key waits"),
                ]
            )
        ]
        return {"letters": [letter | common for letter in letters], "many": 3, "notes": []}

    def letter(self) -> str:
        """Give all there is of one of them."""
        return json.dumps(
            {"headers": {}, "value": {"bytes": "\\x0000000009ff", "problem": f"schema id 9: {self._said}"}}, indent=2
        )

    def _key(self, number: int) -> str:
        return str(88_000 + number) if self._said == "no answer" else self._said

    def _topic(self, name: str) -> TopicReading:
        return topic(name, self._ends[name])

    def _shard(self, number: int, name: str) -> ShardReading:
        if number == 42:
            return reading(name, problem="connection refused")
        retained = int(self._chance.uniform(0.02, 0.12) * GIB)
        used, forecast = retained / GIB, Forecast(-1.0, math.inf, math.inf, math.inf)
        if number in {7, 13}:
            retained, used = int((0.94 if number == 7 else 0.7) * GIB), 0.94 if number == 7 else 0.7
            forecast = Forecast(40_000.0, 1200.0, 1700.0, 2600.0) if number == 7 else Forecast(9e3, 9000.0, 14e3, 3e4)
        of = wal(active=number != 7)
        of = replace(of, lsn=(of.slot.restart_lsn or 0) + retained if of.slot else of.lsn)
        return reading(name, of, room=Room("slot", GIB * (1 - used), used, forecast))

    def _flow(self, number: int, name: str) -> FlowReading:
        lag = int(self._chance.uniform(0, 400) * (1 + math.sin(self._looks / 9)))
        if number in {7, 13, 99}:
            lag = 4_000 * self._looks if number == 7 else 12_000
        age = lag / 90 + self._chance.uniform(0.5, 3)
        stopped = f"{name}.public.{self._said}" if number == 99 else ""
        found = flow(name, age=age, lag=lag, dead=3 if number == 99 else 0, stopped=stopped)
        mark = replace(found.watermark, time=self._at - timedelta(seconds=age)) if found.watermark else None
        return replace(found, watermark=mark)


def hour_ago() -> datetime:
    """Return a time from which an hour of looks ends about now."""
    return datetime.now(UTC) - timedelta(hours=1)
