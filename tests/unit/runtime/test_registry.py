"""The one writer of configuration: one road in, applied as a whole or refused with every problem named."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from gateway.model.configuration import Configuration
from gateway.model.device import AdminState
from gateway.model.errors import ConfigError, Problem
from gateway.model.profile import DeviceProfile
from tests.support.clock import MovingClock
from tests.unit.runtime.registry import DEVICES, PROFILE, House, Spoken, another, furnished


@pytest.fixture
def house(tmp_path: Path, clock: MovingClock) -> House:
    return furnished(tmp_path, clock)


async def refused(house: House, *words: str) -> ConfigError:
    """A reload that must be refused, and leaves everything as it is."""
    before, digest, applied = house.registry.current, house.registry.digest, len(house.lanes.applied)
    with pytest.raises(ConfigError) as caught:
        await house.registry.reload()
    for word in words:
        assert word in str(caught.value)
    assert house.registry.current is before
    assert house.registry.digest == digest
    assert len(house.lanes.applied) == applied
    return caught.value


async def test_first_load(house: House) -> None:
    difference = await house.registry.reload()
    assert difference.added_devices == ("one", "two")
    assert difference.added_profiles == ("meter",)
    assert set(house.registry.planned) == {"one", "two"}
    assert house.lanes.applied == [house.registry.planned]
    assert [len(poll.sources) for poll in house.registry.planned["two"].polls] == [1]
    assert set(house.registry.planned["one"].sources) == {"Voltage", "Current", "All"}
    assert any("Float64" in p.what and p.line for p in difference.problems)


async def test_nothing_changed_nothing_done(house: House) -> None:
    await house.registry.reload()
    planned = house.registry.planned
    assert not await house.registry.reload()
    assert len(house.lanes.applied) == 1
    assert all(house.registry.planned[name] is planned[name] for name in planned)


async def test_only_what_changed_is_planned_again(house: House) -> None:
    await house.registry.reload()
    before, plans, digest = dict(house.registry.planned), house.protocol.plans, house.registry.digest
    (house.devices / "plant.yaml").write_text(DEVICES.replace("Unit: 2", "Unit: 7"))
    difference = await house.registry.reload()
    assert difference.changed_devices == ("two",)
    assert house.registry.planned["one"] is before["one"]
    assert house.registry.planned["two"] is not before["two"]
    assert house.protocol.plans == plans + 1
    assert house.registry.digest != digest


async def test_a_changed_profile_changes_its_devices(house: House) -> None:
    await house.registry.reload()
    (house.profiles / "meter.yaml").write_text(PROFILE.replace("a: 1", "a: 2"))
    difference = await house.registry.reload()
    assert (difference.changed_profiles, difference.changed_devices) == (("meter",), ("one", "two"))


async def test_every_problem_at_once_with_file_and_line(house: House) -> None:
    await house.registry.reload()
    text = DEVICES.replace("sourceName: All", "sourceName: Al").replace("Line: L1, Unit: 2", "Unit: 2")
    (house.devices / "plant.yaml").write_text(text)
    more = (
        "- name: x\n  profileName: metre\n- name: y\n  adminState: OPEN\n- name: x\n- name: z\n  profileName: meter\n"
    )
    (house.devices / "more.yaml").write_text(more)
    error = await refused(house, "did you mean All?", "did you mean meter?", "the line is missing", "listed twice")
    lines = sorted((Path(p.file).name, p.line) for p in error.problems if p.severity == "error")
    more_lines = [("more.yaml", line) for line in (1, 2, 4, 5, 6)]
    assert lines == [*more_lines, ("plant.yaml", 6), ("plant.yaml", 10)], (
        "what is well is planned, whatever else is not"
    )


async def test_problems_of_a_json_list_have_their_line(house: House) -> None:
    scripted = '"protocols": {"scripted": {"Line": "L9"}}'
    (house.devices / "more.json").write_text(f'[\n {{"name": "x",\n  "profileName": "metre", {scripted}}}\n]')
    error = await refused(house, "did you mean meter?")
    assert [(Path(p.file).name, p.line) for p in error.problems if p.severity == "error"] == [("more.json", 3)]


async def test_problems_of_very_many_resources_are_located_quickly(house: House) -> None:
    resources = "".join(
        f"  - {{ name: R{i}, properties: {{ valueType: Int16, readWrite: R, scale: 0.1 }} }}\n" for i in range(10_000)
    )
    (house.profiles / "meter.yaml").write_text(PROFILE.replace("deviceCommands", f"{resources}deviceCommands"))
    start = time.thread_time()
    difference = await house.registry.reload()
    assert time.thread_time() - start < 5, "measured 1.3 s; looking for each resource by name took 9 s"
    assert [p.line for p in difference.problems if "Float64" in p.what][:2] == [7, 8]


async def test_a_selection_has_a_resource_that_shares_its_name_with_a_command(house: House) -> None:
    named = PROFILE.replace("name: All", "name: Voltage")
    (house.profiles / "meter.yaml").write_text(named)
    (house.devices / "plant.yaml").write_text(DEVICES.replace("sourceName: All", "sourceName: Voltage"))
    await house.registry.reload()
    one, two = (house.registry.planned[name].polls[0].sources[0] for name in ("one", "two"))
    assert one.names == two.names == ("Voltage", "Current")
    assert (two.name, two.service) == ("(Volt|Curr).*", "device-scripted")


async def test_a_command_that_only_writes_is_not_polled(house: House) -> None:
    writes = PROFILE.replace("valueType: Float32, readWrite: R", "valueType: Float32, readWrite: RW")
    writes = writes.replace("valueType: Int16, readWrite: R", "valueType: Int16, readWrite: RW")
    writes = writes.replace("readWrite: R\n", "readWrite: W\n")
    (house.profiles / "meter.yaml").write_text(writes)
    with pytest.raises(ConfigError, match="'All' is a device command that only writes") as caught:
        await house.registry.reload()
    (problem,) = [p for p in caught.value.problems if p.severity == "error"]
    assert (Path(problem.file).name, problem.line) == ("plant.yaml", 6)


async def test_two_devices_that_want_one_line_differently(house: House) -> None:
    await house.registry.reload()
    (house.devices / "plant.yaml").write_text(DEVICES.replace("Unit: 2", "Unit: 2, Settings: 9600"))
    await refused(house, "one", "two", "L1", "9600")


async def test_a_broken_file_leaves_the_running_set(house: House) -> None:
    await house.registry.reload()
    (house.devices / "plant.yaml").write_text("deviceList: [")
    await refused(house, "plant.yaml")


async def test_a_problem_of_a_profile_is_said_once(house: House) -> None:
    (house.profiles / "meter.yaml").write_text(PROFILE.replace("a: 1", "impossible: true"))
    with pytest.raises(ConfigError) as caught:
        await house.registry.reload()
    (problem,) = [p for p in caught.value.problems if p.severity == "error"]
    assert (Path(problem.file).name, problem.line) == ("meter.yaml", 4)


async def test_an_unused_profile_of_another_protocol_is_a_note(house: House) -> None:
    (house.profiles / "other.yaml").write_text(
        "name: other\ndeviceResources:\n"
        "  - { name: A, attributes: { impossible: true }, properties: { valueType: Bool, readWrite: R } }\n"
    )
    difference = await house.registry.reload()
    assert [p.severity for p in difference.problems if "not spoken here" in p.what] == ["note"]


async def test_mistakes_of_an_unused_profile_are_warnings(house: House) -> None:
    (house.profiles / "other.yaml").write_text(
        "name: other\ndeviceResources:\n"
        "  - { name: A, attributes: { a: 1, impossible: true }, properties: { valueType: Bool, readWrite: R } }\n"
    )
    for difference in (await house.registry.reload(), await house.registry.reload()):
        (problem,) = [p for p in difference.problems if p.file.endswith("other.yaml")]
        assert (problem.severity, problem.line) == ("warning", 3)
        assert any("Float64" in p.what for p in difference.problems), "doubts are told as long as they hold"


async def test_dry_run_does_nothing(house: House) -> None:
    difference = await house.registry.reload(dry_run=True)
    assert difference.added_devices == ("one", "two")
    assert house.registry.current.devices == {}
    assert house.lanes.applied == []
    await house.registry.reload()
    files = house.files()
    difference = await house.registry.change(lambda c: c.with_devices([another()]), dry_run=True)
    assert difference.added_devices == ("three",)
    assert "three" not in house.registry.current.devices
    assert house.files() == files


async def test_a_device_made_through_the_api_survives_a_restart_as_a_file(house: House, clock: MovingClock) -> None:
    await house.registry.reload()
    before = dict(house.registry.planned)
    difference = await house.registry.change(lambda c: c.with_devices([another()]))
    assert difference.added_devices == ("three",)
    assert house.registry.planned["one"] is before["one"]
    assert not await house.registry.reload(), "the files say what is in force"
    again = House(house.devices.parent, clock, house.state)
    await again.registry.reload()
    assert again.registry.current == house.registry.current
    assert again.registry.digest == house.registry.digest


async def test_a_hand_written_device_changed_and_removed_through_the_api(house: House) -> None:
    await house.registry.reload()

    def lock(c: Configuration) -> Configuration:
        return c.with_devices([c.devices["one"].model_copy(update={"admin_state": AdminState.LOCKED})])

    await house.registry.change(lock)
    assert house.registry.planned["one"].polls == ()
    assert "# by the door" in house.files()["devices/plant.yaml"]
    assert not await house.registry.reload()
    difference = await house.registry.change(lambda c: c.without_device("one").without_device("two"))
    assert difference.removed_devices == ("one", "two")
    assert not await house.registry.reload()
    assert house.registry.current.devices == {}


async def test_a_change_that_is_wrong_changes_nothing(house: House) -> None:
    await house.registry.reload()
    files, before = house.files(), house.registry.current
    for wrong in (
        another(profile_name="metre"),
        another(protocols={}),
        another(service_name="x"),
    ):
        with pytest.raises(ConfigError):
            await house.registry.change(lambda c, wrong=wrong: c.with_devices([wrong]))  # type: ignore[misc]

    def fails(_: Configuration) -> Configuration:
        raise KeyError("no such device")

    with pytest.raises(KeyError):
        await house.registry.change(fails)
    assert house.files() == files
    assert house.registry.current is before
    assert len(house.lanes.applied) == 1


async def test_edits_wait_for_each_other(house: House) -> None:
    await house.registry.reload()
    edits = [house.registry.change(lambda c, i=i: c.with_devices([another(f"d{i}")])) for i in range(5)]  # type: ignore[misc]
    await asyncio.gather(*edits)
    assert {f"d{i}" for i in range(5)} < set(house.registry.planned)
    assert not await house.registry.reload()


async def test_stamps(house: House, clock: MovingClock) -> None:
    await house.registry.reload()
    created = clock.now() // 1_000_000
    assert house.registry.stamps("device", "one") == (created, created)
    await clock.advance(10)
    (house.devices / "plant.yaml").write_text(DEVICES.replace("Unit: 2", "Unit: 7"))
    again = House(house.devices.parent, clock, house.state)
    await again.registry.reload()
    assert again.registry.stamps("device", "one") == (created, created)
    assert again.registry.stamps("device", "two") == (created, created + 10_000)
    assert again.registry.stamps("device", "nobody") == (0, 0)
    await again.registry.change(lambda c: c.without_device("one"))
    assert again.registry.stamps("device", "one") == (0, 0)


async def test_the_shipped_library_has_no_stamps(tmp_path: Path, clock: MovingClock) -> None:
    house = House(tmp_path, clock, library=True)
    await house.registry.reload()
    name = next(iter(house.registry.current.profiles))
    assert house.registry.stamps("profile", name) == (0, 0)


async def test_learned_facts_are_kept_and_make_a_new_plan_only_where_it_asks_something_else(
    house: House, clock: MovingClock
) -> None:
    await house.registry.reload()
    before = dict(house.registry.planned)
    first = before["one"].polls[0].sources[0].names[0]
    await house.registry.learned("two", {"answer_ms": 12})
    await house.registry.learned("one", {"holes": [first]})
    assert house.registry.planned["two"] is before["two"]
    assert house.registry.planned["one"] is not before["one"]
    assert house.lanes.applied[-1]["one"] is house.registry.planned["one"]
    assert house.registry.planned["two"].facts == {"answer_ms": 12}
    assert house.registry.planned["one"].facts == {"holes": [first]}
    assert not await house.registry.reload()
    again = House(house.devices.parent, clock, house.state)
    await again.registry.reload()
    assert again.registry.planned["two"].facts == {"answer_ms": 12}
    await again.registry.change(lambda c: c.without_device("two"))
    assert list(again.state.tables["facts"]) == ["one"]


async def test_device_without_a_profile_is_in_force_and_not_planned(house: House) -> None:
    await house.registry.reload()
    await house.registry.change(lambda c: c.with_devices([another(profile_name="")]))
    assert "three" in house.registry.current.devices
    assert "three" not in house.registry.planned
    assert not await house.registry.reload()


async def test_a_hundred_devices_of_a_hundred_resources_are_planned_quickly(tmp_path: Path, clock: MovingClock) -> None:
    house = House(tmp_path, clock)
    resources = "".join(
        f"  - {{ name: r{i}, properties: {{ valueType: Float32, readWrite: R }} }}\n" for i in range(100)
    )
    operations = ", ".join(f"{{ deviceResource: r{i} }}" for i in range(100))
    command = f"deviceCommands:\n  - {{ name: All, readWrite: R, resourceOperations: [{operations}] }}\n"
    (house.profiles / "big.yaml").write_text(f"name: big\ndeviceResources:\n{resources}{command}")
    devices = "".join(
        f"  - {{ name: d{i}, profileName: big, protocols: {{ scripted: {{ Line: L{i} }} }},"
        " autoEvents: [{ interval: 1s, sourceName: All }] }\n"
        for i in range(100)
    )
    (house.devices / "all.yaml").write_text(f"deviceList:\n{devices}")
    start = time.process_time()
    await house.registry.reload()
    assert time.process_time() - start < 2.0, "measured 0.04 s of computing"
    assert len(house.registry.planned) == 100


async def test_a_profile_that_no_device_uses_is_checked_beside_the_loop(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have 100,000 resources, and is checked in one piece."""
    where: list[bool] = []
    check = Spoken.check

    def noted(spoken: Spoken, profile: DeviceProfile) -> list[Problem]:
        where.append(threading.current_thread() is threading.main_thread())
        return check(spoken, profile)

    monkeypatch.setattr(Spoken, "check", noted)
    (house.profiles / "idle.yaml").write_text(PROFILE.replace("name: meter", "name: idle"))
    await house.registry.reload()
    assert where == [False]


async def test_a_file_of_the_api_with_a_mistake_loses_nobody(house: House) -> None:
    own = house.devices / "api"
    own.mkdir()
    entry = "- {{ name: {}, profileName: meter, {} protocols: {{ scripted: {{ Line: L9, Unit: 1 }} }} }}\n"
    (own / "many-1.yaml").write_text(entry.format("three", "") + entry.format("four", ""))
    await house.registry.reload()
    slip = entry.format("three", "") + entry.format("four", "adminState: OPENED,")
    (own / "many-1.yaml").write_text(slip)
    await refused(house, "adminState")
    with pytest.raises(ConfigError, match="many-1"):
        await house.registry.change(lambda c: c.with_devices([another("three", description="changed")]))
    assert (own / "many-1.yaml").read_text() == slip


async def test_what_is_refused_or_only_tried_is_not_kept(house: House) -> None:
    await house.registry.reload()
    for turn in range(5):
        many = [another(f"try-{turn}-{n}") for n in range(20)]
        await house.registry.change(lambda c, many=many: c.with_devices(many), dry_run=True)  # type: ignore[misc]
    assert len(house.registry._doubts) <= 2 + 20 + 1


async def test_facts_are_of_the_device_that_was_asked(house: House, clock: MovingClock) -> None:
    await house.registry.reload()
    for name in ("one", "two"):
        await house.registry.learned(name, {"answer_ms": 12})
    (house.devices / "plant.yaml").write_text(DEVICES.replace("Line: L1, Unit: 2", "Line: L2, Unit: 2"))
    await house.registry.reload()
    assert house.registry.planned["one"].facts == {"answer_ms": 12}
    assert house.registry.planned["two"].facts == {}, "another address: another device"
    assert list(house.state.tables["facts"]) == ["one"]
    (house.devices / "plant.yaml").write_text(DEVICES[: DEVICES.index("  - name: one")] + "  []\n")
    again = House(house.devices.parent, clock, house.state)
    await again.registry.reload()
    assert house.state.tables["facts"] == {}, "taken out while the gateway was stopped"


async def test_facts_of_a_device_whose_file_changed_while_the_gateway_was_off_are_forgotten(
    house: House, clock: MovingClock
) -> None:
    await house.registry.reload()
    for name in ("one", "two"):
        await house.registry.learned(name, {"answer_ms": 12})
    (house.devices / "plant.yaml").write_text(DEVICES.replace("Line: L1, Unit: 2", "Line: L2, Unit: 2"))
    again = House(house.devices.parent, clock, house.state)
    await again.registry.reload()
    assert again.registry.planned["one"].facts == {"answer_ms": 12}
    assert again.registry.planned["two"].facts == {}
    assert list(house.state.tables["facts"]) == ["one"]


async def test_who_never_answers_is_not_polled(house: House) -> None:
    silent = DEVICES.replace("Unit: 2", "Unit: 2, Mute: it is the broadcast address")
    await house.registry.reload()
    (house.devices / "plant.yaml").write_text(silent)
    await refused(house, "two", "autoEvents: nothing can be read here: it is the broadcast address; remove them")
    (house.devices / "plant.yaml").write_text(silent[: silent.rindex("    autoEvents")])
    await house.registry.reload()
    assert house.registry.planned["two"].mute == "it is the broadcast address"
    assert house.registry.planned["one"].mute == ""
