"""A journal in a folder, running, and closed at the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from datastore.journal import Journal
from datastore.settings import JournalSettings
from gateway.model.contracts import Clock
from tests.support.clock import MovingClock


class Alarms(list[tuple[str, str, str]]):
    """What the journal told of trouble."""

    def __call__(self, name: str, state: str, why: str) -> None:
        self.append((name, state, why))

    def names(self, state: str = "raised") -> list[str]:
        return [name for name, is_now, _ in self if is_now == state]


@contextlib.asynccontextmanager
async def journal(
    folder: Path, clock: Clock, alarms: Alarms | None = None, running: bool = False, **settings: Any
) -> AsyncIterator[Journal]:
    made = Journal(folder, JournalSettings(**settings), clock, alarms if alarms is not None else Alarms())
    await made.open()
    run = asyncio.create_task(made.run()) if running else None
    try:
        yield made
    finally:
        if run is not None:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        await made.close()


async def eventually(done: Callable[[], bool], clock: MovingClock | None = None, seconds: float = 10.0) -> None:
    """Until something is true that another thread brings about; the clock moves on meanwhile if one is given."""
    async with asyncio.timeout(seconds):
        while not done():
            if clock is not None:
                await clock.advance(0.1)
            await asyncio.sleep(0.001)
