"""What a resource does that nobody configured."""

import pytest

from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from simulators.defaults import behaviour_of
from simulators.library import find_profile, shipped
from simulators.modbus.points import point_of
from simulators.modbus.unit import Unit
from tests.support.clock import MovingClock
from tests.unit.simulators.profiles import HOLDING, INPUT, profile, resource

TIMES = [7.3 * n for n in range(200)]


def values(made: DeviceProfile, name: str = "X") -> list[object]:
    found = next(r for r in made.device_resources if r.name == name)
    behaviour = behaviour_of(made, found, point_of(found), 0)
    return [behaviour(t) for t in TIMES]


@pytest.mark.parametrize(
    ("properties", "low", "high"),
    [
        ("valueType: Float32, readWrite: R, units: V", 226, 234),
        ("valueType: Float32, readWrite: R, units: Hz", 49.95, 50.05),
        ("valueType: Float32, readWrite: R, units: °C", 18, 26),
        ("valueType: Int16, readWrite: R, minimum: -5, maximum: 5", -5, 5),
        ("valueType: Uint16, readWrite: R", 0, 100),
        ("valueType: Uint16, readWrite: R, scale: 0.001, units: V", 0, 65.535),
    ],
)
def test_a_measured_value_wanders_where_its_unit_and_limits_say(properties: str, low: float, high: float) -> None:
    found = values(profile(resource("X", INPUT + "0", properties)))
    assert all(isinstance(value, float) and low <= value <= high for value in found)
    assert len(set(found)) > 50


def test_two_of_a_kind_differ() -> None:
    kind = "valueType: Float32, readWrite: R, units: V"
    made = profile(resource("A", INPUT + "0", kind), resource("B", INPUT + "2", kind))
    assert values(made, "A") != values(made, "B")


@pytest.mark.parametrize(("name", "units"), [("X", "units: kWh"), ("PulseCounter", "")])
def test_energy_and_counts_grow(name: str, units: str) -> None:
    found = values(profile(resource(name, INPUT + "0", f"valueType: Uint32, readWrite: R, {units}")), name)
    assert found == sorted(found)  # type: ignore[type-var]
    assert found[-1] > found[0]  # type: ignore[operator]


def test_a_counter_whose_register_is_full_begins_again() -> None:
    made = profile(resource("Counter", INPUT + "0", "valueType: Uint16, readWrite: R"))
    behaviour = behaviour_of(made, made.device_resources[0], point_of(made.device_resources[0]), 0)
    counts = [behaviour(t) for t in range(0, 200_000, 1000)]
    assert 0 <= min(counts) < max(counts) <= 65535
    assert counts != sorted(counts)


def test_what_names_a_device_stays() -> None:
    assert set(
        values(profile(resource("SerialNumber", INPUT + "0", "valueType: Uint32, readWrite: R")), "SerialNumber")
    ) == {0.0}
    assert set(values(profile(resource("X", INPUT + "0", 'valueType: Uint16, readWrite: R, defaultValue: "113"')))) == {
        113
    }


def test_an_enumeration_shows_its_values() -> None:
    tail = (
        "deviceCommands:\n  - {name: C, readWrite: R, resourceOperations: "
        '[{deviceResource: X, mappings: {"1": "off", "4": "on"}}]}\n'
    )
    assert set(values(profile(resource("X", INPUT + "0", "valueType: Uint16, readWrite: R"), tail=tail))) == {1, 4}


@pytest.mark.parametrize(
    ("properties", "first"),
    [
        ("valueType: Int16, readWrite: RW", 0),
        ("valueType: Int16, readWrite: RW, minimum: 5, maximum: 9", 5),
        ('valueType: Int16, readWrite: RW, defaultValue: "7"', 7),
        ("valueType: Bool, readWrite: RW", False),
        ("valueType: Uint16, readWrite: RW, base: 2", 1.0),
        ("valueType: Uint16, readWrite: RW, base: 2, offset: 5", 6.0),
    ],
)
def test_what_can_be_written_stays_as_it_is(properties: str, first: object) -> None:
    assert set(values(profile(resource("X", HOLDING + "0", properties)))) == {first}


async def test_a_profile_with_powers_or_default_lists_is_served(clock: MovingClock) -> None:
    made = profile(
        resource("Power", HOLDING + "0", "valueType: Uint16, readWrite: RW, base: 2"),
        resource("State", HOLDING + "1", "valueType: Uint16, readWrite: R, base: 2"),
        resource("List", HOLDING + "2, arrayLength: 2", 'valueType: Int16Array, readWrite: RW, defaultValue: "[1, 2]"'),
    )
    unit = Unit(made, clock)
    assert unit.get("Power") == unit.get("State") == 1.0
    assert unit.get("List") == [1, 2]


@pytest.mark.parametrize("text", ["1, 2", "[1]", "7", '["a", 2]'])
def test_a_default_that_fits_no_array_is_named(clock: MovingClock, text: str) -> None:
    kind = f"valueType: Int16Array, readWrite: RW, defaultValue: '{text}'"
    with pytest.raises(ConfigError, match="X: no value of its behaviour or default fits"):
        Unit(profile(resource("X", HOLDING + "0, arrayLength: 2", kind)), clock)


@pytest.mark.parametrize("name", [entry.name.removesuffix(".yaml") for entry in shipped("modbus")])
def test_every_shipped_modbus_profile_has_values_its_wire_can_carry(name: str) -> None:
    made = find_profile(name)
    for found in made.device_resources:
        point = point_of(found, made.compat)
        behaviour = behaviour_of(made, found, point, 3)
        for t in (0.0, 1e3, 1e6):
            value = behaviour(t)
            assert point.clamp(point.to_wire(value)) == point.to_wire(value), f"{found.name} at {t} s is {value}"
