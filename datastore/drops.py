"""What was dropped before every consumer had it: counted by cause, and told."""

from collections.abc import Callable
from typing import Final

from gateway.model.alarm import OwnAlarm
from gateway.model.contracts import Clock

Alarm = Callable[[OwnAlarm, str, str], None]
"""Told of trouble: name, `raised` or `cleared`, why. Called on the loop's thread; must not raise."""

DROPPING: Final = "journal-dropping"
QUIET_S = 60.0
"""No drop for so long clears the alarm: a full journal drops a file now and then, not all the time."""


def untold(_name: str, _state: str, _why: str) -> None:
    """An Alarm that nobody hears."""


class Drops:
    """Counts since start: `full`, `age`, `failed`."""

    def __init__(self, clock: Clock, alarm: Alarm) -> None:
        self.counts = {"full": 0, "age": 0, "failed": 0}
        self._clock = clock
        self._alarm = alarm
        self._told = dict(self.counts)
        self._raised = False
        self._last = 0.0

    def add(self, cause: str, count: int = 1) -> None:
        self.counts[cause] += count

    def tell(self, still: bool) -> None:
        """Raises the alarm for what was dropped since the last call, clears it when all is quiet; `still`: whatever
        comes now is dropped, too."""
        fresh = {cause: count for cause, count in self.counts.items() if count > self._told[cause]}
        self._told = dict(self.counts)
        if fresh or still:
            self._last = self._clock.monotonic()
        if fresh and not self._raised:
            self._raised = True
            said = ", ".join(f"{count} ({cause})" for cause, count in fresh.items())
            self._alarm(DROPPING, "raised", f"records were dropped before every consumer had them: {said}")
        elif self._raised and self._clock.monotonic() - self._last > QUIET_S:
            self._raised = False
            self._alarm(DROPPING, "cleared", "nothing more is dropped")
