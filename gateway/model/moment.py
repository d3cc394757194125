"""Moments as people write them."""

import re
from datetime import UTC, datetime

from gateway.model.duration import parse_duration

_FRACTION = re.compile(r"(.*T\d\d:\d\d:\d\d)\.(\d{1,9})(.*)", re.DOTALL)
_HOW = "write ns since 1970, an ISO time such as 2026-03-01T12:00:00Z, or how long ago, such as 24h"


def parse_moment(text: str, now: int) -> int:
    """ns UTC of `1763635200000000000` (ns), `2026-03-01`, `2026-03-01T12:00:00.5Z` (without a zone: UTC), `now`,
    `24h` or `-24h` (so long ago). Raises ValueError."""
    text = text.strip()
    if text == "now":
        return now
    if text.isascii() and text.isdigit() and len(text) < 20:
        return _bounded(int(text), text)
    if text.startswith("-") or (text[-1:].isalpha() and text[-1] not in "Zz"):
        return _bounded(now - round(abs(parse_duration(text)) * 1e9), text)
    whole, fraction = text.replace(" ", "T", 1), 0
    if found := _FRACTION.fullmatch(whole):
        whole, fraction = found[1] + found[3], int(found[2].ljust(9, "0"))
    try:
        at = datetime.fromisoformat(whole)
    except ValueError:
        raise ValueError(f"{text!r} is no moment; {_HOW}") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return _bounded((since.days * 86_400 + since.seconds) * 10**9 + fraction, text)


def _bounded(at: int, text: str) -> int:
    if not 0 <= at < 2**63:
        raise ValueError(f"{text!r} is not between 1970 and 2262; {_HOW}")
    return at
