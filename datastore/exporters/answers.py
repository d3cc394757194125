"""What an HTTP server's status means for an exporter, in words."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from gateway.model.errors import NotConnected, NotTaken, PartialSend

T = TypeVar("T")
LONGEST_WAIT_S = 600.0
"""A server that asks for more is asked again after this."""
TOO_LARGE = 413
FOR_GOOD = frozenset({400, 405, 406, 409, 411, 414, 415, 422})
"""The same request will always get these."""
_WORDS: Mapping[int, str] = {
    401: "does not let us in: is the token right, and does it still hold?",
    403: "does not allow it: may this token or user write there?",
    404: "has nothing there",
    407: "is behind a proxy that wants a name and password",
    408: "gave up waiting for our request",
    429: "gets too much from us",
    500: "has an error of its own",
    502: "is behind a gateway that does not reach it",
    503: "is busy or being maintained",
    504: "is behind a gateway that does not reach it in time",
}


class Refused(Exception):
    """The server took nothing of a request, and never will. `why`: its own words."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


def refusal(status: int, said: str, retry_after: str, now: float, where: str) -> NotConnected | Refused:
    """The error that an answer of 300 or above is. `now`: seconds since the epoch, for a Retry-After that is a date."""
    said = " ".join(said.split())[:300]
    if status in FOR_GOOD or status == TOO_LARGE:
        return Refused(status, f"{where} refuses it with {status}{f': {said}' if said else ''}")
    words = _WORDS.get(status, f"answers {status}")
    wait = waiting(retry_after, now)
    more = f"; it asks us to wait {wait:g} s" if wait else ""
    return NotTaken(f"{where} {words} ({status}{f': {said}' if said else ''}){more}", wait)


def waiting(retry_after: str, now: float) -> float:
    """Seconds of a Retry-After (RFC 9110, 10.2.3): seconds or a date; 0: none, or none that can be read."""
    text = retry_after.strip()
    with contextlib.suppress(ValueError):
        return max(0.0, min(float(text), LONGEST_WAIT_S))
    with contextlib.suppress(ValueError, TypeError, IndexError):
        return max(0.0, min(parsedate_to_datetime(text).timestamp() - now, LONGEST_WAIT_S))
    return 0.0


def isolated(items: Sequence[T], send: Callable[[Sequence[T]], Any]) -> dict[int, str]:
    """Sends items, halving what is refused, until those that are refused alone are known: their places, and why. What
    is sent again because its neighbour was refused must not count twice at the other side. Raises what `send` raises
    besides Refused."""
    if not items:
        return {}
    try:
        send(items)
    except Refused as error:
        if len(items) == 1:
            return {0: str(error)}
        half = len(items) // 2
        found = isolated(items[:half], send)
        return found | {half + place: why for place, why in isolated(items[half:], send).items()}
    return {}


def raise_refused(refused: Mapping[int, str]) -> None:
    """Raises PartialSend for places that were refused, with the first reason; nothing when none was."""
    if refused:
        places = sorted(refused)
        raise PartialSend(places, refused[places[0]], refused)
