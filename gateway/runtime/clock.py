"""The only place that knows time: monotonic for schedules, wall time for stamps, and whether wall time is trusted."""

import asyncio
import random
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

STEP_S = 1.0
"""Wall and monotonic time drifting apart by more than this between two looks means somebody stepped the clock."""
EARLIEST = 1_700_000_000_000_000_000
"""2023-11-14: a wall clock before this has not been set since power came back."""
DISTRUST_S = 10.0
"""How long wall time stays untrusted after a step."""


class SystemClock:
    """The machine's clocks."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()
        self._distrusted_until = 0.0
        self.steps = 0
        """How often the wall clock was stepped since start."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> int:
        return time.time_ns()

    def trusted(self) -> bool:
        self.look()
        return time.time_ns() > EARLIEST and time.monotonic() >= self._distrusted_until

    def look(self) -> float:
        """Seconds the wall clock was stepped since the last look (0.0: it was not)."""
        offset = time.time_ns() - time.monotonic_ns()
        step = (offset - self._offset) / 1e9
        self._offset = offset
        if abs(step) < STEP_S:
            return 0.0
        self.steps += 1
        self._distrusted_until = time.monotonic() + DISTRUST_S
        return step

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Any]:
        return asyncio.timeout(seconds)


def backoff(attempt: int, first: float, longest: float) -> float:
    """Seconds to wait before try `attempt` (1-based): doubles from `first` to `longest`, with up to 50 % taken off at
    random so that many things that failed together do not return together."""
    full = min(longest, first * 2.0 ** min(attempt - 1, 30))
    return full * (1.0 - random.random() / 2)  # noqa: S311  not for secrets
