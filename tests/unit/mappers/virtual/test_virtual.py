"""What rules make, read and judged like any other device."""

import pytest

from gateway.model.device import Device, Flow
from gateway.model.errors import ConfigError, DeviceError
from gateway.model.place import Place
from gateway.model.plan import PlannedDevice
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Quality, Source
from gateway.runtime.twin.flow import judge
from gateway.runtime.twin.lastvalues import Slot
from mappers.virtual import Virtual, protocol
from tests.support.clock import MovingClock
from tests.support.rules import planned_device

BAD = Quality("bad", "config", "division by zero")


@pytest.fixture
def virtual() -> Virtual:
    made = protocol(Place())
    assert isinstance(made, Virtual)
    return made


@pytest.fixture
def plant() -> PlannedDevice:
    return planned_device("plant", {"power": ValueType.FLOAT64, "share": ValueType.FLOAT64}, "device-virtual")


async def read(virtual: Virtual, clock: MovingClock, *sources: Source) -> list[Event]:
    device = Device(name="plant")
    mapper = virtual.open(virtual.connection(device), clock)
    await mapper.connect()
    try:
        return await mapper.read(virtual.plan(device, sources, {}))
    finally:
        await mapper.close()


async def test_a_read_gives_the_last_value_with_its_own_time_and_is_not_kept_again(
    virtual: Virtual, plant: PlannedDevice, clock: MovingClock
) -> None:
    source = plant.sources["power"]
    then = clock.now()
    for value in (1.0, 2.0):
        virtual.remember(Event(source, then, [value]))
    await clock.advance(60)
    (event,) = await read(virtual, clock, source)
    assert (event.values, event.repeat, event.origin, dict(event.times or {})) == ([2.0], True, clock.now(), {0: then})


async def test_what_is_bad_or_not_there_yet_says_so(virtual: Virtual, plant: PlannedDevice, clock: MovingClock) -> None:
    with pytest.raises(DeviceError, match="no rule has given plant power a value yet"):
        await read(virtual, clock, plant.sources["power"])
    virtual.remember(Event(plant.sources["share"], 5, [None], quality={0: BAD}))
    one, other = plant.sources["power"], plant.sources["share"]
    both = Source("device-virtual", "p", "plant", ".*", (*one.resources, *other.resources))
    (event,) = await read(virtual, clock, both)
    assert (event.which, event.values, event.quality) == ((1,), [None], {0: BAD})


async def test_nobody_but_rules_writes(virtual: Virtual, plant: PlannedDevice, clock: MovingClock) -> None:
    mapper = virtual.open(virtual.connection(plant.device), clock)
    with pytest.raises(DeviceError, match="only its rule"):
        await mapper.write(virtual.plan(plant.device, [plant.sources["power"]], {}), {"power": 1})
    with pytest.raises(ConfigError, match="nothing to record"):
        virtual.tap(virtual.connection(plant.device), None)


def test_a_device_of_a_file_is_no_virtual_one(virtual: Virtual, plant: PlannedDevice) -> None:
    device = Device(name="mine", protocols={"virtual": {}})
    assert "are made by rules" in virtual.check(plant.profile, device)[0].what
    assert virtual.check(plant.profile) == []
    assert not virtual.recognises(plant.profile)


def test_it_is_online_while_its_last_values_are_good(plant: PlannedDevice) -> None:
    made = PlannedDevice(plant.device, plant.profile, plant.connection, plant.sources, made=True)
    one, other = plant.sources["power"], plant.sources["share"]
    slots: dict[Source, Slot] = {}
    judged = judge(made, slots, 0.0, 1000.0, None)
    assert (judged.flow, judged.reason) == (Flow.UNKNOWN, "no rule has given a value yet")
    slots[one] = Slot(one)
    slots[one].take(Event(one, 1, [1.0]), 1.0)
    assert judge(made, slots, 0.0, 1e6, None).flow is Flow.ONLINE
    slots[other] = Slot(other)
    slots[other].take(Event(other, 1, [None], quality={0: BAD}), 1.0)
    judged = judge(made, slots, 0.0, 1000.0, None)
    assert (judged.flow, judged.reason) == (Flow.DEGRADED, "no good values of share: config division by zero")
    slots[one].take(Event(one, 1, [None], quality={0: BAD}), 2.0)
    assert judge(made, slots, 0.0, 1000.0, None).flow is Flow.OFFLINE
