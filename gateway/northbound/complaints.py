"""What arrives and cannot be obeyed is told to the log: its sender may never see an answer."""

import logging

from gateway.model.contracts import Clock

PAUSE_S = 60.0
"""A topic is complained of once in so long: who sends nonsense sends it often."""
MANY = 1000
"""Topics kept in mind; while there are more, the others are not complained of."""

log = logging.getLogger(__name__)


class Complaints:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}

    def of(self, topic: str, what: object) -> None:
        """A warning, unless there was one of this topic a moment ago."""
        now = self._clock.monotonic()
        if len(self._said) >= MANY or now - self._said.get(topic, now) >= PAUSE_S:
            self._said = {known: at for known, at in self._said.items() if now - at < PAUSE_S}
        if topic in self._said or len(self._said) >= MANY:
            return
        self._said[topic] = now
        log.warning("A message on %s is refused: %s", topic, what)
