"""A profile with parameters in the registry: shared by equals, replanned for one, wrong for one."""

import time
from pathlib import Path
from typing import Any

import pytest

from gateway.model.device import Device
from gateway.model.errors import ConfigError
from gateway.model.load import load_profile
from gateway.model.profile import DeviceProfile
from gateway.runtime.configuration.instances import Instances
from tests.support.clock import MovingClock
from tests.unit.runtime.registry import House, another

PROFILE = """\
name: meter
parameters:
  ratio: { valueType: Float64, defaultValue: 1, minimum: 1 }
  a: { valueType: Uint16, defaultValue: 1 }
deviceResources:
  - name: Voltage
    attributes: { a: $(a) }
    properties: { valueType: Float32, readWrite: R }
  - name: Current
    attributes: { a: 2 }
    properties: { valueType: Float32, readWrite: R, scale: $(0.1 * ratio) }
deviceCommands:
  - name: All
    readWrite: R
    resourceOperations: [{ deviceResource: Voltage }, { deviceResource: Current }]
"""
DEVICE = """\
- name: {name}
  serviceName: device-scripted
  profileName: meter
  protocols: {{ scripted: {{ Line: L1, Unit: {unit} }} }}
  autoEvents: [{{ interval: 1s, sourceName: All }}]
  properties:
    parameters:
      ratio: {ratio}
"""


def devices(*ratios: object) -> str:
    return "".join(DEVICE.format(name=f"d{n}", unit=n + 1, ratio=ratio) for n, ratio in enumerate(ratios))


@pytest.fixture
async def house(tmp_path: Path, clock: MovingClock) -> House:
    it = House(tmp_path, clock)
    (it.profiles / "meter.yaml").write_text(PROFILE)
    (it.devices / "plant.yaml").write_text(devices(1, 80, 80.0))
    await it.registry.reload()
    return it


def profile_of(house: House, name: str) -> DeviceProfile:
    return house.registry.planned[name].profile


def scale_of(house: House, name: str) -> float | None:
    return profile_of(house, name).device_resources[1].properties.scale


async def test_equal_values_share_one_profile(house: House) -> None:
    assert [scale_of(house, f"d{n}") for n in range(3)] == [0.1, 8.0, 8.0]
    assert profile_of(house, "d1") is profile_of(house, "d2")
    assert house.registry.current.profiles["meter"].parameters.keys() == {"ratio", "a"}
    assert house.registry.planned["d1"].sources["Current"].resources[0].properties.scale == 8.0


async def test_a_changed_value_replans_one_device(house: House) -> None:
    before = dict(house.registry.planned)
    (house.devices / "plant.yaml").write_text(devices(1, 90, 80.0))
    difference = await house.registry.reload()
    assert difference.changed_devices == ("d1",)
    after = house.registry.planned
    assert [after[name] is before[name] for name in ("d0", "d1", "d2")] == [True, False, True]
    assert scale_of(house, "d1") == 9.0
    d2 = house.registry.current.devices["d2"]
    patched = d2.model_copy(update={"properties": {"parameters": {"ratio": 90}}})
    await house.registry.change(lambda current: current.with_devices([patched]))
    assert profile_of(house, "d2") is profile_of(house, "d1")
    assert house.registry.planned["d0"] is before["d0"]
    assert not await house.registry.reload()


async def test_a_new_default_reaches_those_that_use_it(house: House) -> None:
    (house.devices / "plant.yaml").write_text(devices(1) + DEVICE.format(name="x", unit=7, ratio="~"))
    (house.profiles / "meter.yaml").write_text(PROFILE.replace("defaultValue: 1, m", "m"))
    with pytest.raises(ConfigError, match=r"device x: .*ratio: is required by profile meter"):
        await house.registry.reload()
    (house.profiles / "meter.yaml").write_text(PROFILE.replace("defaultValue: 1, m", "defaultValue: 5, m"))
    await house.registry.reload()
    assert (scale_of(house, "d0"), scale_of(house, "x")) == (0.1, 0.5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ratio: 90", "ratio: 0", "plant.yaml:{line}: device d1: properties.parameters.ratio: expected a number of 1 "
                                  "or more, got 0"),
        ("ratio: 90", "ration: 90", "plant.yaml:{line}: device d1: properties.parameters.ration: profile meter has no "
                                    "parameter ration; did you mean ratio?"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_with_file_line_and_device(house: House, old: str, new: str, said: str) -> None:
    before = dict(house.registry.planned)
    text = devices(1, 90, 80.0).replace(old, new)
    (house.devices / "plant.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        await house.registry.reload()
    assert said.format(line=text[: text.index(new)].count("\n") + 1) in str(refused.value)
    assert house.registry.planned == before


async def test_what_a_value_makes_wrong_is_said_where_the_profile_uses_it(house: House) -> None:
    (house.profiles / "meter.yaml").write_text(PROFILE.replace("0.1 * ratio", "1 / (ratio - 80)"))
    with pytest.raises(ConfigError) as refused:
        await house.registry.reload()
    wrong = [str(problem).partition("profiles/")[2] for problem in refused.value.problems]
    assert wrong == [
        "meter.yaml:11: deviceResources[1].properties.scale: $(1 / (ratio - 80)) divides by 0 "
        f"(with the parameters and overrides of device {name})"
        for name in ("d1", "d2")
    ]


async def test_what_is_no_longer_in_force_is_let_go(house: House) -> None:
    instances = house.registry._planner.instances
    assert len(instances._made) == 2
    d1 = house.registry.current.devices["d1"]
    for ratio in range(2, 30):
        changed = d1.model_copy(update={"properties": {"parameters": {"ratio": ratio}}})
        await house.registry.change(lambda current, changed=changed: current.with_devices([changed]))
    assert len(instances._made) == 3
    (house.profiles / "meter.yaml").unlink()
    (house.devices / "plant.yaml").unlink()
    for path in house.devices.rglob("*.yaml"):
        path.unlink()
    await house.registry.reload()
    assert (instances._made, instances._templates) == ({}, {})


async def test_values_for_nothing_are_a_warning(house: House) -> None:
    (house.profiles / "plain.yaml").write_text(
        "name: plain\ndeviceResources: [{name: a, attributes: {a: 1}, properties: {valueType: Int16, readWrite: R}}]"
    )
    await house.registry.reload()
    one = another("x", profile_name="plain", properties={"parameters": {"b": 1}})
    await house.registry.change(lambda current: current.with_devices([one]))
    assert [p.what for p in house.registry.problems if p.severity == "warning"] == [
        "profile plain has no parameters; these mean nothing"
    ]
    assert profile_of(house, "x") is house.registry.current.profiles["plain"]


def test_two_hundred_devices_of_a_hundred_resources() -> None:
    """Each with a value of its own: for less than reading the same profile once for each would cost."""
    resources = "".join(
        f"  - {{name: r{n}, attributes: {{primaryTable: HOLDING_REGISTERS, startingAddress: $(base + {2 * n})}}, "
        "properties: {valueType: Float32, readWrite: R, scale: $(ratio)}}\n"
        for n in range(100)
    )
    head = "name: big\nparameters: {base: {valueType: Uint16}, ratio: {valueType: Float64, defaultValue: 1}}\n"
    text = f"{head}deviceResources:\n{resources}"
    profile = load_profile(text, "big.yaml").value
    instances, made = Instances(), list[Any]()
    begun = time.process_time()
    for n in range(200):
        made.append(instances.of(profile, Device(name=f"d{n}", properties={"parameters": {"base": n}})))
    taken = time.process_time() - begun
    begun = time.process_time()
    for _ in range(10):
        load_profile(text, "big.yaml")
    once = (time.process_time() - begun) / 10
    assert made[7].device_resources[99].attributes["startingAddress"] == 7 + 198
    again = instances.of(profile, Device(name="x", properties={"parameters": {"base": 7}}))
    assert again is made[7]
    assert taken < 200 * once
