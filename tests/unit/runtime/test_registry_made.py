"""Devices that rules make: in force beside those of files, and in no file."""

from pathlib import Path

import pytest

from gateway.model.configuration import Configuration, Profiles
from gateway.model.errors import ConfigError
from gateway.model.load import load_profile
from tests.support.clock import MovingClock
from tests.unit.runtime.registry import PROFILE, House, another, furnished

MADE_PROFILE = load_profile(PROFILE.replace("name: meter", "name: virtual-plant"), "").value
MADE = Configuration().with_profiles([MADE_PROFILE]).with_devices([another("plant", profile_name="virtual-plant")])


@pytest.fixture
def house(tmp_path: Path, clock: MovingClock) -> House:
    return furnished(tmp_path, clock)


async def test_what_was_made_before_the_files_were_read_is_there_with_them(house: House) -> None:
    await house.registry.make(MADE)
    assert house.lanes.applied == []
    await house.registry.reload()
    assert set(house.registry.planned) == {"one", "two", "plant"}
    assert not await house.registry.reload()


async def test_what_is_made_comes_and_goes_without_touching_files_or_other_devices(house: House) -> None:
    await house.registry.reload()
    files, before = house.files(), dict(house.registry.planned)
    await house.registry.make(MADE)
    assert house.registry.planned["one"] is before["one"]
    plant = house.registry.planned["plant"]
    await house.registry.make(Configuration(Profiles(dict(MADE.profiles.own)), dict(MADE.devices)))
    assert house.registry.planned["plant"] is plant
    await house.registry.change(lambda current: current.with_devices([another()]))
    assert house.registry.planned["plant"] is plant
    assert set(house.files()) - set(files) == {"devices/api/three.yaml"}
    await house.registry.make(Configuration())
    assert set(house.registry.current.devices) == {"one", "two", "three"}
    assert "virtual-plant" not in house.registry.current.profiles


async def test_only_rules_change_what_they_make(house: House) -> None:
    await house.registry.reload()
    await house.registry.make(MADE)
    for edit in (
        lambda current: current.without_device("plant"),
        lambda current: current.with_devices([another("plant", profile_name="virtual-plant", labels=["x"])]),
        lambda current: current.without_device("plant").without_profile("virtual-plant"),
    ):
        with pytest.raises(ConfigError, match="is made by rules and changes with them"):
            await house.registry.change(edit)
    assert "plant" in house.registry.planned


async def test_a_device_of_a_file_counts_more_and_that_is_said(house: House) -> None:
    made = MADE.with_devices([another("one", profile_name="virtual-plant")])
    await house.registry.make(made)
    difference = await house.registry.reload()
    assert house.registry.planned["one"].profile.name == "meter"
    assert "a rule makes a device of this name, too" in str(difference.problems)
    await house.registry.make(Configuration())
    assert set(house.registry.planned) == {"one", "two"}


async def test_what_cannot_be_planned_changes_nothing(house: House) -> None:
    await house.registry.reload()
    await house.registry.make(MADE)
    before = house.registry.current
    with pytest.raises(ConfigError, match="nosuch"):
        await house.registry.make(MADE.with_devices([another("new", profile_name="nosuch")]))
    assert house.registry.current is before
    await house.registry.make(Configuration())
    assert set(house.registry.planned) == {"one", "two"}
