"""What a bug of ours may end, and what not."""

import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from gateway.model.contracts import Clock

PAUSE_S = 1.0

log = logging.getLogger(__name__)


async def steadily(name: str, work: Callable[[], Awaitable[None]], clock: Clock) -> NoReturn:
    """Does `work`, again after it failed: its trace is logged and everything else goes on. Until cancelled."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("%s failed by our own fault; it starts again", name)
        await clock.sleep(PAUSE_S)
