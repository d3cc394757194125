"""A change is applied as a whole, with its files, or not at all: full disks, lanes that fail, callers that go away."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.model.device import AutoEvent
from gateway.model.errors import ConfigError
from gateway.runtime.configuration import edit
from tests.support.clock import MovingClock
from tests.unit.runtime.registry import PROFILE, House, another, furnished


@pytest.fixture
def house(tmp_path: Path, clock: MovingClock) -> House:
    return furnished(tmp_path, clock)


async def test_a_full_disk_applies_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.registry.reload()
    files = house.files()

    def full(path: Path, content: bytes | None) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(edit, "_replace", full)
    with pytest.raises(ConfigError, match="nothing was changed"):
        await house.registry.change(lambda c: c.with_devices([another()]))
    assert house.files() == files
    assert "three" not in house.registry.planned
    assert len(house.lanes.applied) == 1


async def test_a_line_that_is_asked_too_much_runs_and_is_warned_of(house: House) -> None:
    """Ask 6: before anybody wonders why values are late."""
    await house.registry.reload()
    fast = another().model_copy(update={"auto_events": [AutoEvent(interval="5ms", source_name="All")]})
    difference = await house.registry.change(lambda c: c.with_devices([fast]))
    (said,) = [p for p in difference.problems if "of the connection's time" in p.what]
    assert (said.severity, said.where) == ("warning", "L2")
    assert "three" in house.registry.planned


async def test_lanes_that_fail_take_the_files_back(house: House) -> None:
    await house.registry.reload()
    files, planned = house.files(), house.registry.planned
    house.lanes.fails = RuntimeError("bug")
    with pytest.raises(RuntimeError):
        await house.registry.change(lambda c: c.with_devices([another()]))
    assert house.files() == files
    assert house.registry.planned is planned
    assert house.lanes.applied[-1] is planned, "the old set runs again"


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_change_whose_caller_goes_away_while_files_are_written_is_in_force(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.registry.reload()
    begun, replaced = asyncio.Event(), edit._replace
    loop = asyncio.get_running_loop()

    def slow(path: Path, content: bytes | None) -> None:
        loop.call_soon_threadsafe(begun.set)
        replaced(path, content)

    monkeypatch.setattr(edit, "_replace", slow)
    task = asyncio.create_task(house.registry.change(lambda c: c.with_devices([another()])))
    await begun.wait()
    await cancelled(task)
    assert "three" in house.registry.planned
    assert house.lanes.applied[-1] is house.registry.planned
    assert not await house.registry.reload(), "the files say what is in force"


async def test_a_change_whose_caller_goes_away_while_lanes_open_holds_the_next_one_back(house: House) -> None:
    await house.registry.reload()
    house.lanes.open.clear()
    house.lanes.called.clear()
    task = asyncio.create_task(house.registry.change(lambda c: c.with_devices([another()])))
    await house.lanes.called.wait()
    task.cancel()
    following = asyncio.create_task(house.registry.reload())
    house.lanes.open.set()
    await cancelled(task)
    assert not await following
    assert house.registry.stamps("device", "three") != (0, 0)


async def test_stamps_that_fail_leave_files_and_lanes_agreed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.registry.reload()

    async def fails(*_: Any) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(house.registry._stamps, "note", fails)
    with pytest.raises(RuntimeError):
        await house.registry.change(lambda c: c.with_devices([another()]))
    monkeypatch.undo()
    assert "three" in house.registry.planned
    assert not await house.registry.reload()


async def test_a_shipped_profile_comes_back_when_its_own_copy_goes(tmp_path: Path, clock: MovingClock) -> None:
    house = House(tmp_path, clock, library=True)
    await house.registry.reload()
    name, shipped = next(iter(house.registry.current.profiles.items()))
    for dry_run in (True, False):
        with pytest.raises(ConfigError, match="shipped with the gateway and cannot be removed"):
            await house.registry.change(lambda c: c.without_profile(name), dry_run)
    await house.registry.change(lambda c: c.with_profiles([shipped.model_copy(update={"model": "mine"})]))
    assert house.registry.stamps("profile", name) != (0, 0)
    difference = await house.registry.change(lambda c: c.without_profile(name))
    assert (difference.changed_profiles, difference.removed_profiles) == ((name,), ())
    assert house.registry.current.profiles[name] == shipped
    assert house.registry.stamps("profile", name) == (0, 0)
    assert not await house.registry.reload()


async def test_a_refused_or_dry_reload_leaves_what_is_known_of_the_library(tmp_path: Path, clock: MovingClock) -> None:
    house = House(tmp_path, clock, library=True)
    await house.registry.reload()
    name = next(iter(house.registry.current.profiles))
    (house.profiles / "mine.yaml").write_text(PROFILE.replace("meter", f"'{name}'"))
    await house.registry.reload(dry_run=True)
    with pytest.raises(ConfigError, match="shipped"):
        await house.registry.change(lambda c: c.without_profile(name))
    assert house.registry.current.profiles[name].name == name
