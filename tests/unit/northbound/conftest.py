from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.clock import MovingClock
from tests.unit.northbound.stage import Stage


@pytest_asyncio.fixture
async def stage(clock: MovingClock) -> AsyncIterator[Stage]:
    stage = Stage(clock)
    await stage.settled()
    yield stage
    await stage.close()
