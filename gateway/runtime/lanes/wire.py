"""What is known of a connection: its state in words, what was counted, when the next try is; logged once when lost and
once when back."""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from gateway.model.contracts import Clock
from gateway.model.reading import Event
from gateway.runtime.clock import backoff
from gateway.runtime.lanes.measure import Busy

FIRST_S = 0.5
LONGEST_S = 30.0
"""Back-off of connections and of probes: doubling from the first to the longest, with jitter."""

_KINDS = {"timeout": "no_answer", "refused": "device_error", "device": "device_error"}
"""What is counted when some values of a poll are bad for a reason of the line or of the device."""

log = logging.getLogger(__name__)


class Wire:
    """State of one connection. `connected` is said only once values have flowed."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name, self._clock = name, clock
        self.state = "closed"
        self.reason = ""
        self.since = clock.now()
        self.next_try = 0.0
        self.flowing = False
        """An answer came on this connection."""
        self.errors: Counter[str] = Counter()
        self.requests = 0
        self.connects = 0
        self.busy = Busy(clock.monotonic())
        self._attempt = 0
        self._lost = False

    def connecting(self) -> None:
        """A try begins."""
        self.state = "connecting"
        self.connects += 1

    def flows(self) -> None:
        """An answer came."""
        if self.flowing:
            return
        self.flowing = True
        if self._lost:
            log.info("%s is back after %s", self.name, _length(self._clock.now() - self.since))
        self._attempt, self._lost = 0, False
        self.state, self.reason, self.since = "connected", "", self._clock.now()

    def lost(self, kind: str, reason: str) -> None:
        """It broke or nobody answers; sets the time of the next try."""
        self.errors[kind] += 1
        self._attempt += 1
        reason = self.without_name(reason)
        self.next_try = self._clock.monotonic() + backoff(self._attempt, FIRST_S, LONGEST_S)
        if not self._lost:
            self.since = self._clock.now()
            log.warning("%s is lost: %s. It is tried again at least every %d s", self.name, reason, LONGEST_S)
        self.state, self.reason = "waiting", reason
        self.flowing, self._lost = False, True

    def without_name(self, reason: str) -> str:
        """For whoever has just named the connection."""
        said = f": {reason}"
        for place in (self.name, self.name.rpartition("@")[2]):  # with the user, and without
            said = said.replace(f": {place}: ", ": ").replace(f": {place} ", ": it ")
        return said.removeprefix(": ")

    def closed(self) -> None:
        """For good."""
        self.state, self.flowing = "closed", False

    def used(self, started: float, requests: int) -> float:
        """It was in use since monotonic time `started`; returns monotonic time now."""
        now = self._clock.monotonic()
        self.busy.add(now, now - started)
        self.requests += requests
        return now

    def lacks(self, events: Iterable[Event]) -> None:
        """Counts what a poll did not get, once a poll and kind: it was answered otherwise."""
        reasons = {quality.reason for event in events if event.quality for quality in event.quality.values()}
        self.errors.update({_KINDS[reason] for reason in reasons if reason in _KINDS})

    def refusal(self) -> str:
        """Why nobody need be asked now."""
        wait = max(0.0, self.next_try - self._clock.monotonic())
        return f"{self.name} is not connected since {time_of_day(self.since)}: {self.reason}; next try in {wait:.1f} s"


def time_of_day(stamp: int) -> str:
    """`2026-11-21 10:57:43 UTC`."""
    return f"{datetime.fromtimestamp(stamp // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _length(nanoseconds: int) -> str:
    seconds = max(0, nanoseconds) // 10**9
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
