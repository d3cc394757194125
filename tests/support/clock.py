"""A clock that moves only when a test says so: hours of our own timers in milliseconds."""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

SETTLE_TURNS = 60
"""Loop turns after every step, so that woken tasks get as far as they can without real time passing."""


class MovingClock:
    """Implements `gateway.model.contracts.Clock`."""

    def __init__(self, now: int = 1_763_635_200_000_000_000) -> None:
        self._monotonic = 1000.0
        self._now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.trust = True

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> int:
        return self._now

    def trusted(self) -> bool:
        return self.trust

    def step_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock; monotonic time does not care."""
        self._now += int(seconds * 1e9)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
        await future

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Any]:
        return self._timeout(seconds)

    @contextlib.asynccontextmanager
    async def _timeout(self, seconds: float | None) -> AsyncIterator[None]:
        if seconds is None:
            yield
            return
        task = asyncio.current_task()
        assert task is not None
        expired = False

        async def watch() -> None:
            nonlocal expired
            await self.sleep(seconds)
            expired = True
            task.cancel()

        watcher = asyncio.create_task(watch())
        try:
            yield
        except asyncio.CancelledError:
            if expired and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            # Not awaited: a cancellation of the caller that comes just now would be taken for the watcher's.
            watcher.cancel()

    async def advance(self, seconds: float) -> None:
        """Move both clocks, waking sleepers in order and letting each get as far as it can."""
        target = self._monotonic + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= target + 1e-9:
            due, _, future = heapq.heappop(self._sleepers)
            self._move_to(max(due, self._monotonic))
            if not future.done():
                future.set_result(None)
                await settle()
        self._move_to(target)
        await settle()

    def _move_to(self, monotonic: float) -> None:
        self._now += round((monotonic - self._monotonic) * 1e9)
        self._monotonic = monotonic


async def settle(turns: int = SETTLE_TURNS) -> None:
    """Lets every ready task run as far as it can."""
    for _ in range(turns):
        await asyncio.sleep(0)
