import asyncio

import pytest

from gateway.runtime.steady import steadily
from tests.support.clock import MovingClock, settle


async def test_work_that_fails_is_logged_and_begun_again(clock: MovingClock, caplog: pytest.LogCaptureFixture) -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise KeyError("ours")
        await asyncio.Event().wait()

    task = asyncio.create_task(steadily("the look", work, clock))
    await settle()
    assert begun == 1
    assert "the look failed by our own fault" in caplog.text
    assert "KeyError" in caplog.text
    await clock.advance(1)
    assert begun == 2
    task.cancel()
    await asyncio.wait([task])
