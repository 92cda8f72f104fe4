"""Times as people write them. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from afflux.errors import UsageError

_AGO: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_moment(text: str, now: datetime) -> datetime:
    """Read a time.

    Args:
        text: how long ago (`45s`, `30m`, `2h`, `7d`), or an ISO date and time; without an offset it is UTC.
        now: the present, which `ago` counts from.

    Raises:
        UsageError: it is neither.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time",
            hint="write how long ago, such as 2h or 7d, or a time such as 2026-01-31T08:00 (UTC)",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
