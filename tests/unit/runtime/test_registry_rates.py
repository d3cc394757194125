"""autoEvents of a profile on the road of configuration: which count, and who is told what is wrong with them."""

from pathlib import Path

import pytest

from gateway.model.errors import ConfigError, Problem
from tests.support.clock import MovingClock
from tests.unit.runtime.registry import DEVICES, PROFILE, House, furnished

OWN = "    autoEvents: [{ interval: 1s, sourceName: All }]\n"
OTHER = '    autoEvents: [{ interval: 1s, sourceName: "(Volt|Curr).*" }]\n'
INHERITING = DEVICES.replace(OWN, "").replace(OTHER, "")
RATES = (
    PROFILE
    + """\
parameters: { fast: { valueType: String, defaultValue: 2s } }
autoEvents:
  - { sourceName: Voltage, interval: $(fast) }
  - { sourceName: Curr.*, interval: 1m, onChange: true }
"""
)


@pytest.fixture
def house(tmp_path: Path, clock: MovingClock) -> House:
    it = furnished(tmp_path, clock)
    (it.profiles / "meter.yaml").write_text(RATES)
    return it


def polls(house: House, name: str) -> dict[float, list[str]]:
    return {poll.interval: [s.name for s in poll.sources] for poll in house.registry.planned[name].polls}


async def wrong(house: House, profile: str, devices: str) -> list[Problem]:
    (house.profiles / "meter.yaml").write_text(profile)
    (house.devices / "plant.yaml").write_text(devices)
    with pytest.raises(ConfigError) as caught:
        await house.registry.reload()
    return [p for p in caught.value.problems if p.severity == "error"]


async def test_a_device_without_its_own_has_those_of_its_profile(house: House) -> None:
    parameters = "    properties: { parameters: { fast: 100ms } }\n"
    (house.devices / "plant.yaml").write_text(INHERITING + parameters)
    await house.registry.reload()
    assert polls(house, "one") == {2.0: ["Voltage"], 60.0: ["Curr.*"]}
    assert polls(house, "two") == {0.1: ["Voltage"], 60.0: ["Curr.*"]}
    one = house.registry.planned["one"]

    (house.devices / "plant.yaml").write_text(INHERITING + parameters.replace("100ms", "1s"))
    assert (await house.registry.reload()).changed_devices == ("two",)
    assert polls(house, "two") == {1.0: ["Voltage"], 60.0: ["Curr.*"]}
    assert house.registry.planned["one"] is one


async def test_its_own_count_alone_and_an_empty_list_reads_nothing(house: House) -> None:
    await house.registry.reload()
    assert polls(house, "one") == {1.0: ["All"]}
    (house.devices / "plant.yaml").write_text(DEVICES.replace(OTHER, "    autoEvents: []\n"))
    assert (await house.registry.reload()).changed_devices == ("two",)
    assert polls(house, "two") == {}
    (house.devices / "plant.yaml").write_text(DEVICES.replace(OTHER, ""))
    assert (await house.registry.reload()).changed_devices == ("two",), "taken out of the file, the profile's count"
    assert polls(house, "two") == {2.0: ["Voltage"], 60.0: ["Curr.*"]}


async def test_a_mistake_is_said_once_in_the_profile(house: House) -> None:
    (problem,) = await wrong(house, RATES.replace("sourceName: Voltage", "sourceName: Voltag"), INHERITING)
    assert (Path(problem.file).name, problem.line) == ("meter.yaml", 14)
    assert "'Voltag' cannot be found in the device profile 'meter'; did you mean Voltage?" in problem.what


async def test_a_source_that_only_writes_is_said_once_too(house: House) -> None:
    only = RATES.replace("valueType: Float32, readWrite: R", "valueType: Float32, readWrite: W")
    only = only.partition("deviceCommands")[0] + only[only.index("parameters:") :]
    (problem,) = await wrong(house, only, INHERITING)
    assert problem.line == 10
    assert "'Voltage' names nothing that can be read" in problem.what


async def test_a_wrong_rate_is_the_devices(house: House) -> None:
    found = await wrong(house, RATES, INHERITING + "    properties: { parameters: { fast: soon } }\n")
    assert [(Path(p.file).name, p.line) for p in found] == [("plant.yaml", 10)]
    assert found[0].where == "device two: properties.parameters.fast"


async def test_a_profile_that_is_put_is_refused_without_naming_a_device(house: House) -> None:
    (house.devices / "plant.yaml").write_text(INHERITING)
    await house.registry.reload()
    profile = house.registry.current.profiles["meter"]
    event = profile.auto_events[0].model_copy(update={"source_name": "Nothing"})
    other = profile.model_copy(update={"auto_events": [event]})
    with pytest.raises(ConfigError) as caught:
        await house.registry.change(lambda current: current.with_profiles([other]))
    (problem,) = [p for p in caught.value.problems if p.severity == "error"]
    assert problem.where == "profile meter: autoEvents[0].sourceName"


async def test_of_a_profile_without_devices_a_mistake_is_a_warning(house: House) -> None:
    (house.profiles / "spare.yaml").write_text(
        "name: spare\ndeviceResources:\n"
        "  - { name: A, attributes: { a: 1 }, properties: { valueType: Bool, readWrite: R } }\n"
        "autoEvents: [{ sourceName: B, interval: 1s }]\n"
    )
    found = [p for p in (await house.registry.reload()).problems if p.file.endswith("spare.yaml")]
    assert [(p.severity, p.line) for p in found] == [("warning", 4)]


async def test_of_a_device_that_never_answers_nothing_is_read_without_an_error(house: House) -> None:
    (house.devices / "plant.yaml").write_text(INHERITING.replace("Unit: 2", "Unit: 2, Mute: a broadcast"))
    await house.registry.reload()
    assert (polls(house, "two"), house.registry.planned["two"].mute) == ({}, "a broadcast")
    (problem,) = await wrong(house, RATES, DEVICES.replace("Unit: 2", "Unit: 2, Mute: a broadcast"))
    assert problem.where == "device two: autoEvents"


async def test_what_was_learned_stays_when_only_the_rate_is_another(house: House) -> None:
    parameters = "    properties: { parameters: { fast: 100ms } }\n"
    (house.devices / "plant.yaml").write_text(INHERITING + parameters)
    await house.registry.reload()
    await house.registry.learned("two", {"holes": [7]})
    (house.devices / "plant.yaml").write_text(INHERITING + parameters.replace("100ms", "1s"))
    await house.registry.reload()
    assert house.registry.planned["two"].facts == {"holes": [7]}
    (house.profiles / "meter.yaml").write_text(RATES.replace("a: 1", "a: 2"))
    await house.registry.reload()
    assert house.registry.planned["two"].facts == {}
