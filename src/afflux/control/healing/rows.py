"""What a supervisor tells of the shards: rows for people, lines of its log, and metrics."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog

from afflux.control.healing.cases import Case
from afflux.control.healing.ward import Ward
from afflux.telemetry import metrics

log = structlog.get_logger()


@dataclass(frozen=True)
class Row:
    """One shard, for people.

    Attributes:
        shard: its name.
        stream: what its stream is doing.
        well: whether its changes flow.
        cause: what it has; empty where nothing.
        doing: what is done about it.
        tries: how often it was treated.
        needs_person: whether a person has to look at it.
        seconds: since when it has that.
        detail: what was seen.
        hint: what a person can do.
    """

    shard: str
    stream: str
    well: bool
    cause: str = ""
    doing: str = ""
    tries: int = 0
    needs_person: bool = False
    seconds: float = 0.0
    detail: str = ""
    hint: str = ""


def rows(ward: Ward, now: float) -> list[Row]:
    """Give every shard, by name."""
    return [_row(name, ward, now) for name in sorted(ward.looks)]


def tell(ward: Ward, before: Mapping[str, Case], news: Collection[str], now: float) -> None:
    """Log what is new since the round before.

    Args:
        ward: what is known now.
        before: the cases of the round before.
        news: the shards that have something else than they had.
        now: the time.
    """
    for name in sorted(news):
        case = ward.cases[name]
        log.warning(
            "shard fails",
            shard=name,
            cause=case.finding.cause.name,
            detail=case.finding.detail,
            doing=_doing(case),
            hint=case.finding.hint,
        )
    for name, case in sorted(ward.cases.items()):
        old = before.get(name)
        if old is None or not old.open or name in news:
            continue
        if not case.open:
            log.info("shard is well", shard=name, cause=case.finding.cause.name, seconds=round(now - old.since, 1))
        elif case.needs_person and not old.needs_person:
            log.warning("needs a person", shard=name, cause=case.finding.cause.name, hint=case.finding.hint)


def measure(ward: Ward) -> None:
    """Set the metrics of the shards."""
    for gauge in (metrics.WELL, metrics.FAILURES, metrics.NEEDS_PERSON):
        gauge.clear()
    for name in ward.looks:
        case = ward.cases.get(name)
        metrics.WELL.labels(name).set(ward.well(name))
        metrics.NEEDS_PERSON.labels(name).set(bool(case and case.needs_person))
        if case and case.open:
            metrics.FAILURES.labels(name, case.finding.cause.name).set(1)


def _doing(case: Case) -> str:
    return "asking a person" if case.needs_person else str(case.finding.remedy)


def _row(name: str, ward: Ward, now: float) -> Row:
    look, case = ward.looks[name], ward.cases.get(name)
    if case is None or not case.open:
        return Row(name, str(look.status.verdict), ward.well(name), detail=look.status.detail, hint=look.status.hint)
    return Row(
        shard=name,
        stream=str(look.status.verdict),
        well=False,
        cause=case.finding.cause.name,
        doing=_doing(case),
        tries=case.tries,
        needs_person=case.needs_person,
        seconds=round(now - case.since, 1),
        detail=case.finding.detail,
        hint=case.finding.hint,
    )
