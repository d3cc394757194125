import asyncio
import random
from collections.abc import MutableSequence
from typing import Any

import pytest

from tests.support.clock import MovingClock
from tests.unit.runtime.scene import Scene, device_of


@pytest.fixture(autouse=True)
def _same_jitter() -> None:
    random.seed(1)


async def test_two_hundred_devices_that_return_at_once_are_spread(clock: MovingClock) -> None:
    """T18."""
    scene = Scene(clock)
    names = [f"L{n}" for n in range(200)]
    await scene.apply(*[device_of(f"D{n}", name, events={"A": "60s"}) for n, name in enumerate(names)])
    async with scene.running():
        for name in names:
            scene.world.line(name).up = False
        await clock.advance(200)
        start = clock.monotonic()
        for name in names:
            scene.world.line(name).up = True
        await clock.advance(31)
        back = [t - start for name in names for t in scene.world.line(name).connects if t >= start]
        assert len(back) == 200
        slots = [sum(1 for t in back if second <= t < second + 1) for second in range(31)]
        assert max(slots) <= 30


@pytest.mark.timeout(240)
async def test_flapping_for_72_hours_grows_nothing(clock: MovingClock) -> None:
    """T12."""
    scene = Scene(clock)
    line = scene.world.line("L")
    await scene.apply(device_of("D", unit=1, events={"A": "60s"}), device_of("E", unit=2, events={"A": "60s"}))
    async with scene.running():

        async def flap(rounds: int) -> tuple[int, int]:
            for turn in range(rounds):
                line.up = turn % 2 == 1
                line.unit(2).silent = turn % 3 == 0
                await clock.advance(7)
            recorded: list[MutableSequence[Any]] = [scene.journal, scene.tapped, line.log, line.connects]
            recorded.append(scene.protocol.mappers)
            for unit in line.units.values():
                recorded += [unit.reads, unit.read_names]
            for one in recorded:
                one.clear()
            wheel = scene.lanes._wheel
            return len(asyncio.all_tasks()), len(wheel._heap)

        await flap(100)
        tasks, timers = await flap(300)
        for _ in range(123):
            now_tasks, now_timers = await flap(300)
            assert now_tasks <= tasks + 1
            assert now_timers <= timers + 20
        line.up, line.unit(2).silent = True, False
        await clock.advance(100)
        assert scene.events("D")[-1].quality is None
        assert scene.events("E")[-1].quality is None
        (lane,) = scene.lanes._lanes.values()
        assert len(lane.lane._line.polls) <= 2
        assert not lane.lane._line.commands
