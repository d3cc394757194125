"""How time is cut: hours, days and months, UTC, half open, in ns."""

from datetime import UTC, datetime
from typing import Literal

Tier = Literal["raw", "minute", "hour", "messages"]
Span = tuple[int, int]
"""Start and end, ns UTC; the end is not part of it."""

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
FIRST, LAST = -(2**63), 2**63 - 1
"""All of time."""

FLUSHED, HOURLY, DAILY, MONTHLY = 0, 1, 2, 3
"""A file's `level`: just taken from the journal; all there is of an hour, a day, a month."""
BUCKET: dict[Tier, int] = {"minute": MINUTE, "hour": HOUR}
"""ns that a row of a summed-up tier stands for."""


def span(at: int, level: int) -> Span:
    """The hour, day or month in which `at` lies."""
    if level == HOURLY:
        return at // HOUR * HOUR, at // HOUR * HOUR + HOUR
    if level == DAILY:
        return at // DAY * DAY, at // DAY * DAY + DAY
    return _month(at)


def _month(at: int) -> Span:
    day = datetime.fromtimestamp(at // SECOND, UTC)
    start = datetime(day.year, day.month, 1, tzinfo=UTC)
    end = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    return int(start.timestamp()) * SECOND, int(end.timestamp()) * SECOND
