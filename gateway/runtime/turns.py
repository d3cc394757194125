"""Long work on the event loop in short stretches."""

import asyncio

from gateway.model.contracts import Clock

STRETCH_S = 0.005
"""Polls and answers wait about so long, at most, for work that gives turns."""


class Turns:
    """Whoever works through something long calls `give` between its pieces."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()

    async def give(self) -> None:
        """Lets everything else that is due run first, if it has waited long enough."""
        if self._clock.monotonic() - self._since >= STRETCH_S:
            await asyncio.sleep(0)
            self._since = self._clock.monotonic()
