"""Desired values: the same version for another device of the name, what the ledger keeps of them, what a look costs."""

import asyncio

from gateway.model.command import Desired
from gateway.model.configuration import Configuration, Profiles
from tests.support.clock import MovingClock, settle
from tests.unit.runtime.house import event, planned
from tests.unit.runtime.road import BOARD, Road
from tests.unit.runtime.test_desired import desired, finish, statuses


async def test_another_device_of_the_name_is_written_to(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.desire(desired(3))
    await settle()
    known = it.registry.planned, it.registry.current
    it.registry.planned, it.registry.current = {}, Configuration(it.registry.current.profiles, {})
    looking = asyncio.create_task(it.road.desired.run())
    await clock.advance(31)
    assert it.road.desired.view("d1") is None
    it.registry.planned, it.registry.current = known
    it.lanes.values.clear()
    await it.road.desire(desired(3))
    await settle()
    assert statuses(it) == {"Setpoint": ("applied", 200)}
    assert it.lanes.writes == [{"Setpoint": 21.5}] * 2
    looking.cancel()
    await asyncio.wait([looking])
    await finish(it)


async def test_an_epoch_that_comes_back_is_written_again(clock: MovingClock) -> None:
    it = await Road(clock).start()
    for version, epoch, value in ((3, "e", 10.0), (1, "f", 20.0), (3, "e", 10.0)):
        await it.road.desire(desired(version, epoch, Setpoint=value))
        await clock.advance(1)
    assert [write["Setpoint"] for write in it.lanes.writes] == [10.0, 20.0, 10.0]
    await finish(it)


async def test_the_ledger_does_not_keep_a_day_of_setpoints(clock: MovingClock) -> None:
    it = await Road(clock).start()
    for version in range(1, 101):
        await it.road.desire(desired(version, Setpoint=float(version % 2)))
        await clock.advance(1)
    assert len(it.lanes.writes) == 100
    assert len(it.state.tables["commands"]) < 20
    await finish(it)
    assert it.state.tables["commands"] == {}


async def test_a_look_gives_turns_and_never_looks_at_a_whole_device(clock: MovingClock) -> None:
    it = Road(clock)
    devices = {f"d{n}": planned(BOARD, name=f"d{n}", polls={"Look": 1.0}) for n in range(1, 11)}
    it.registry.planned = devices
    it.registry.current = Configuration(Profiles({BOARD.name: BOARD}), {name: d.device for name, d in devices.items()})
    await it.start()
    for name, device in devices.items():
        it.publish([event(device.sources["Look"], 1.0, 21.5, origin=clock.now())])
        await it.road.desire(Desired(name, "e", 1, 1, {"Setpoint": 21.5}))
    await settle()
    looks: list[str] = []
    value = it.twins.value

    def look(device: str, name: str) -> object:
        looks.append(device)
        return value(device, name)

    async def another() -> None:
        while True:
            await asyncio.sleep(0)
            looks.append("another")

    it.twins.last = None  # type: ignore[assignment, method-assign]
    it.twins.value = look  # type: ignore[assignment, method-assign]
    tasks = [asyncio.create_task(it.road.desired.run())]
    await settle()
    clock._move_to(clock.monotonic() + 29.9)
    for device in devices.values():
        it.publish([event(device.sources["Look"], 1.0, 21.5, origin=clock.now())])
    tasks.append(asyncio.create_task(another()))
    await clock.advance(0.2)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert set(looks) == {*devices, "another"}
    assert it.lanes.writes == []
    between = looks[looks.index("d1") : looks.index("d10")]
    assert between.count("another") >= 8
    await finish(it)
