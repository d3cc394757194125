import asyncio
import itertools
from typing import Any

import pytest

from gateway.model.errors import CommandRejected, DeviceError, NotConnected
from gateway.model.profile import Compat
from gateway.model.reading import Quality
from gateway.runtime.lanes.schedule import POLL_WORK
from gateway.runtime.sources import select
from tests.support.clock import MovingClock
from tests.support.mapper import SERVICE
from tests.unit.runtime.scene import Scene, device_of, profile_of, values

EACH_SECOND = {"A": "1s"}


class Misfit(CommandRejected):
    def __init__(self, text: str) -> None:
        super().__init__(422, text)


async def test_apply_touches_only_what_changed(clock: MovingClock) -> None:
    scene = Scene(clock)
    stays = device_of("D", "L", 1, EACH_SECOND)
    await scene.apply(stays, device_of("E", "L", 2, EACH_SECOND), device_of("F", "M", 1, EACH_SECOND))
    async with scene.running():
        for turn in range(50):
            await clock.advance(1)
            await scene.apply(
                stays, device_of("E", "L", 2, {"A": f"{1 + turn % 3}s"}), *[device_of("G", f"N{turn}", 1, EACH_SECOND)]
            )
        reads = scene.world.line("L").unit(1).reads
        assert len(reads) == 51
        assert all(b - a == pytest.approx(1.0) for a, b in itertools.pairwise(reads[1:]))
        assert scene.world.line("L").connects == [1000.0]
        assert scene.world.line("M").open == 0
        assert [report.connection for report in scene.lanes.lanes()] == ["L", "N49"]
        assert len(scene.lanes._devices) == 3
        assert len(asyncio.all_tasks()) <= 7
        assert sum(sum(slots.work) for slots in scene.lanes._phases._of.values()) == 3 * (POLL_WORK + 1)
    assert all(line.open == 0 for line in scene.world.lines.values())


async def test_nothing_runs_before_run_and_nothing_after(clock: MovingClock) -> None:
    scene = Scene(clock)
    await scene.apply(device_of("D", events=EACH_SECOND))
    await clock.advance(5)
    assert scene.world.line("L").connects == []
    with pytest.raises(NotConnected):
        await scene.lanes.read(scene.source("D", "A"))
    async with scene.running():
        await clock.advance(2)
        count = len(scene.events())
        assert count
    await clock.advance(5)
    assert len(scene.events()) == count


async def test_other_settings_reopen_the_wire_after_it_is_free(clock: MovingClock) -> None:
    scene = Scene(clock)
    await scene.apply(device_of("D", events=EACH_SECOND, protocol={"Settings": "9600"}))
    async with scene.running():
        await clock.advance(2)
        await scene.apply(device_of("D", events=EACH_SECOND, protocol={"Settings": "19200"}))
        await clock.advance(2)
        line = scene.world.line("L")
        assert (line.open, line.closes, len(line.connects)) == (1, 1, 2)
        assert scene.events()[-1].quality is None


@pytest.mark.parametrize("state", [{"adminState": "LOCKED"}, {"operatingState": "DOWN"}])
async def test_locked_and_down_devices_are_left_alone(clock: MovingClock, state: dict[str, Any]) -> None:
    scene = Scene(clock)
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        await clock.advance(3)
        count = len(scene.world.line("L").unit(1).reads)
        await scene.apply(device_of("D", events=EACH_SECOND, **state))
        await clock.advance(10)
        assert len(scene.world.line("L").unit(1).reads) == count
        assert scene.world.line("L").open == 0
        with pytest.raises(NotConnected, match="device D is not running"):
            await scene.lanes.read(scene.source("D", "A"))


async def test_a_device_taken_away_in_mid_read_is_not_heard_of_again(clock: MovingClock) -> None:
    scene = Scene(clock)
    scene.world.line("L").answer_s = 0.5
    stays = device_of("E", unit=2, events=EACH_SECOND)
    await scene.apply(device_of("D", unit=1, events=EACH_SECOND), stays)
    async with scene.running():
        await clock.advance(0.2)
        assert scene.world.line("L").busy == 1
        await scene.apply(stays)
        await clock.advance(5)
        assert scene.events("D") == []
        assert scene.events("E")


async def test_read_and_write_speak_as_people_see_values(clock: MovingClock) -> None:
    scene = Scene(clock)
    unit = scene.world.line("L").unit(1)
    unit.values["A"] = 215
    await scene.apply(device_of("D"), profile=profile_of(valueType="Int16", scale=0.1))
    async with scene.running():
        event = await scene.lanes.read(scene.source("D", "A"))
        assert event.values == [21.5]
        assert event.raw == [215]
        assert scene.events() == [event]
        assert await scene.lanes.write(scene.source("D", "A"), {"A": "30.5"}) is None
        assert unit.writes == [{"A": 305}]
        with pytest.raises(CommandRejected):
            await scene.lanes.write(scene.source("D", "A"), {"A": 1e9})


async def test_a_selection_is_read_in_one_go_under_its_service(clock: MovingClock) -> None:
    scene = Scene(clock)
    await scene.apply(device_of("D", serviceName=""))
    async with scene.running():
        planned = scene.planned["D"]
        event = await scene.lanes.read(select(planned.profile, planned.device, "[AB]"))
        assert list(event.names()) == ["A", "B"]
        assert event.source.service == SERVICE
        assert scene.world.line("L").unit(1).read_names == [("A", "B")]


async def test_a_refuted_assertion_is_an_error_only_as_edgex(clock: MovingClock) -> None:
    for compat in Compat:
        scene = Scene(clock, compat)
        await scene.apply(device_of("D"), profile=profile_of(assertion="1"))
        async with scene.running():
            if compat is Compat.EDGEX:
                with pytest.raises(DeviceError, match="Assertion failed for DeviceResource A, with value 0"):
                    await scene.lanes.read(scene.source("D", "A"))
            else:
                event = await scene.lanes.read(scene.source("D", "A"))
                assert event.quality == {
                    0: Quality("bad", "device", "Assertion failed for DeviceResource A, with value 0")
                }


async def test_what_did_not_change_goes_to_the_taps_only(clock: MovingClock) -> None:
    scene = Scene(clock)
    unit = scene.world.line("L").unit(1)
    unit.values["A"] = 5
    device = device_of("D", autoEvents=[{"sourceName": "A", "interval": "1s", "onChange": True}])
    await scene.apply(device)
    async with scene.running():
        await clock.advance(5)
        unit.values["A"] = 6
        await clock.advance(5)
        assert values(scene.events()) == [5, 6]
        assert len(scene.tapped) == 11
        scene.world.line("L").up = False
        await clock.advance(5)
        scene.world.line("L").up = True
        await clock.advance(31)
        assert values(scene.events()) == [5, 6, None, 6]


async def test_what_cannot_be_planned_is_told_to_the_caller(clock: MovingClock) -> None:
    scene = Scene(clock)
    profile = profile_of()
    profile.device_resources[0].attributes["impossible"] = True
    await scene.apply(device_of("D"), profile=profile)
    async with scene.running():
        with pytest.raises(DeviceError, match="A cannot be read"):
            await scene.lanes.read(scene.source("D", "A"))


async def test_a_value_the_protocol_cannot_carry_costs_nobody_the_connection(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    await scene.apply(device_of("D", events={"A": "1s"}), device_of("E", unit=2))
    async with scene.running():
        line.unit(2).bug = Misfit("it does not fit")
        with pytest.raises(CommandRejected):
            await scene.lanes.write(scene.source("E", "A"), {"A": 1})
        await clock.advance(3)
    assert len(line.connects) == 1
    assert not [event for event in scene.events() if event.quality]


async def test_what_has_become_too_late_in_the_line_is_not_written(clock: MovingClock) -> None:
    def too_late() -> None:
        if clock.monotonic() > began + 0.5:
            raise CommandRejected(410, "expired")

    scene = Scene(clock)
    line = scene.world.line("L")
    line.answer_s = 1.0
    await scene.apply(device_of("D", events={"A": "1s"}))
    began = clock.monotonic()
    async with scene.running():
        writing = asyncio.create_task(scene.lanes.write(scene.source("D", "B"), {"B": 1}, too_late))
        await clock.advance(1.5)
        with pytest.raises(CommandRejected):
            await writing
    assert line.unit(1).writes == []
    assert len(line.connects) == 1


async def test_the_lane_of_one_device(clock: MovingClock) -> None:
    scene = Scene(clock)
    await scene.apply(device_of("A", line="L1"), device_of("B", line="L2"))
    found = scene.lanes.lane("B")
    assert found is not None
    assert found.connection == "L2"
    assert scene.lanes.lane("C") is None
