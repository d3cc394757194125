import asyncio

import pytest

from tests.support.clock import MovingClock, settle


async def test_sleepers_wake_in_order_and_only_when_time_has_come(clock: MovingClock) -> None:
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as tasks:
        for seconds in (3600, 1, 60):
            tasks.create_task(sleeper(seconds))
        await clock.advance(59)
        assert woken == [1]
        await clock.advance(3600)
    assert woken == [1, 60, 3600]


async def test_timeout_on_the_moved_clock(clock: MovingClock) -> None:
    async def work() -> None:
        async with clock.timeout(5):
            await clock.sleep(10)

    task = asyncio.create_task(work())
    await clock.advance(5)
    with pytest.raises(TimeoutError):
        await task


async def test_timeout_that_is_not_reached_leaves_nothing(clock: MovingClock) -> None:
    async with clock.timeout(5):
        await settle(1)
    await clock.advance(10)
