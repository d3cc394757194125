"""A write that waits for its turn: what was checked when it got in line is checked again when its turn has come."""

import asyncio
from dataclasses import replace

import pytest

from gateway.model.command import CommandResult, Outcome
from gateway.model.device import AdminState
from gateway.model.errors import NoAnswer, NotConnected
from gateway.model.profile import Compat
from gateway.runtime.commands.actuation import actuate
from gateway.runtime.commands.lookup import Wanted
from tests.support.clock import MovingClock, settle
from tests.unit.runtime.house import planned
from tests.unit.runtime.road import BOARD, Road
from tests.unit.runtime.scene import Scene, device_of


async def in_line(clock: MovingClock) -> "tuple[Road, asyncio.Task[CommandResult]]":
    it = await Road(clock).start()
    it.lanes.gate = asyncio.Event()
    task = asyncio.create_task(it.road.run(it.command()))
    await settle()
    it.lanes.gate.set()
    return it, task


async def test_its_device_was_removed(clock: MovingClock) -> None:
    it, task = await in_line(clock)
    it.registry.planned, it.registry.current = {}, it.registry.current.without_device("d1")
    result = await task
    assert (result.outcome, result.code) == (Outcome.REJECTED, 404)
    assert it.lanes.writes == []


async def test_its_device_was_locked(clock: MovingClock) -> None:
    it, task = await in_line(clock)
    it.registry.exchange(planned(BOARD, admin_state=AdminState.LOCKED))
    result = await task
    assert (result.outcome, result.code) == (Outcome.REJECTED, 423)
    assert it.lanes.writes == []


async def test_its_device_has_another_address(clock: MovingClock) -> None:
    it, task = await in_line(clock)
    it.registry.exchange(planned(BOARD, protocols={"fake": {"Address": "elsewhere"}}))
    result = await task
    assert (result.outcome, result.code) == (Outcome.REJECTED, 503)
    assert it.lanes.writes == []


async def test_what_was_learned_about_its_device_does_not_matter(clock: MovingClock) -> None:
    it, task = await in_line(clock)
    it.registry.exchange(replace(it.registry.planned["d1"], facts={"holes": []}))
    assert (await task).outcome is Outcome.CONFIRMED
    assert it.lanes.writes == [{"Setpoint": 21.5}]


@pytest.mark.parametrize("error", [NotConnected("cut"), NoAnswer("silent")])
async def test_what_never_left_the_line_was_not_written(clock: MovingClock, error: Exception) -> None:
    it = await Road(clock).start()
    it.lanes.fail_in_line = error
    result = await it.road.run(it.command())
    assert (result.outcome, result.code) == (Outcome.REJECTED, 503)
    assert result.error.startswith("nothing was written")
    it.lanes.fail_in_line, it.lanes.fail_write = None, error
    result = await it.road.run(it.command(id="c2"))
    assert (result.outcome, result.code) == (Outcome.FAILED, 504)


async def test_a_wire_that_breaks_under_the_one_before_it(clock: MovingClock) -> None:
    scene = Scene(clock)
    await scene.apply(device_of("D", events={"A": "1s"}))
    async with scene.running():
        cut = asyncio.Event()

        async def long(_: object) -> None:
            await cut.wait()
            raise NotConnected("cut")

        first = asyncio.create_task(scene.lanes._devices["D"].lane.call("D", long))
        await settle()
        wanted = Wanted(scene.source("D", "A"), {"A": 7}, Compat.NONE)
        second = asyncio.create_task(actuate(scene.lanes, wanted, None, lambda: None))
        await settle()
        cut.set()
        happened = await second
        assert (happened.outcome, happened.code) == (Outcome.REJECTED, 503)
        await asyncio.gather(first, return_exceptions=True)
        assert scene.world.line("L").unit(1).writes == []
