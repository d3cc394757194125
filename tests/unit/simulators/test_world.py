import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import ConfigError
from gateway.model.load import load_devices
from simulators.library import find_profile, shipped
from simulators.modbus.faults import NONE, Faults, Hole, fault
from simulators.options import SimulateOptions, run
from simulators.world import Running, World, serve
from tests.support.clock import MovingClock
from tests.support.ports import free_port

WORLD = """
refresh: 100ms
lines:
  south: {baud: 19200, parity: E}
devices:
  - {profile: eastron-sdm630, name: meter, unit: 2, faults: [delay=20ms], properties: {MaxRegisters: 80},
     autoEvents: {Instantaneous: 1s, Energy: 10s}}
  - {profile: xy-md02, name: climate, count: 2, rtu: south, unit: 11, interval: 5s,
     behaviours: {Temperature: {ramp: {low: 10, high: 20, period: 10s}}, Humidity: 40}}
"""


@pytest.fixture
def world_file(tmp_path: Path) -> Path:
    path = tmp_path / "world.yaml"
    path.write_text(WORLD)
    return path


async def test_a_world_file(world_file: Path, clock: MovingClock) -> None:
    async with serve(World.from_file(world_file), clock) as running:
        assert list(running.devices) == ["meter", "climate-1", "climate-2"]
        assert running.devices["climate-1"].endpoint is running.devices["climate-2"].endpoint
        assert running.devices["climate-2"].entry.unit == 12
        assert running.get("climate-1", "Humidity") == 40
        clock._monotonic += 5
        assert running.get("climate-2", "Temperature") == pytest.approx(15)
        assert running.devices["meter"].unit.faults == Faults(delay=0.02)
        assert running.devices["meter"].unit.max_registers == 80
        assert running.devices["meter"].unit.answer(bytes.fromhex("0400000051")) == b"\x84\x03"


async def test_the_device_list_of_a_world(world_file: Path) -> None:
    async with serve(World.from_file(world_file)) as running:
        devices = {d.name: d for d in load_devices(running.device_list(), "devices.yaml", strict=True).value}
        meter, climate = devices["meter"], devices["climate-2"]
        assert [(e.source_name, e.interval) for e in meter.auto_events] == [("Instantaneous", "1s"), ("Energy", "10s")]
        tcp = meter.protocols["modbus-tcp"]
        assert f"{tcp['Address']}:{tcp['Port']}" == running.devices["meter"].address
        assert (tcp["UnitID"], tcp["MaxRegisters"]) == (2, 80)
        rtu = climate.protocols["modbus-rtu"]
        assert (rtu["Address"], rtu["BaudRate"], rtu["Parity"]) == (running.devices["climate-2"].address, 19200, "E")
        assert [e.source_name for e in climate.auto_events] == ["Climate", "Corrections", "DeviceAddress"]
        assert {e.interval for e in climate.auto_events} == {"5s"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("devices: []", "devices"),
        ("devices: [{profile: eastron-sdm360}]", "did you mean eastron-sdm630"),
        ("devices: [{profile: xy-md02, behaviors: {}}]", "behaviours"),
        ("devices: [{profile: xy-md02, unit: 900}]", "unit"),
        ("devices: [{profile: xy-md02}, {profile: xy-md02}]", "two devices are named xy-md02"),
        ("devices: [{profile: xy-md02, interval: often}]", "duration"),
    ],
)
def test_a_wrong_world_is_told(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=what):
        World.from_file(path)


async def test_wrong_names_in_behaviours_and_faults_are_told(tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    for text, what in (
        ("behaviours: {Temperatur: 1}", "no resource 'Temperatur'"),
        ("behaviours: {Temperature: {sine: 1}}", "device xy-md02, Temperature: sine"),
        ("faults: [sleepy]", "there are silence, drop"),
        ("behaviours: {Temperature: abc}", "device xy-md02: Temperature: .*'abc' is not a number"),
        ("behaviours: {Temperature: [1, 2]}", "device xy-md02: Temperature: .*takes one value"),
        ("behaviours: {Temperature: null}", "device xy-md02: Temperature: "),
        ("properties: {MaxRegisters: many}", "device xy-md02: properties.MaxRegisters: expected a whole number"),
    ):
        path.write_text(f"devices: [{{profile: xy-md02, {text}}}]")
        with pytest.raises(ConfigError, match=what):
            async with serve(World.from_file(path)):
                pass


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"rtu": True, "count": 300}, "device xy-md02-248: unit: expected a number of at most 247, got 248"),
        ({"unit": 0}, "device xy-md02: unit: expected a number of 1 or more, got 0"),
        ({"port": 65535, "count": 3}, "device xy-md02-2: tcp: expected a number of at most 65535, got 65536"),
        ({"count": 0}, "device xy-md02: count: expected a number of 1 or more, got 0"),
    ],
)
def test_more_devices_than_there_are_places_are_told(options: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        World.from_profiles(["xy-md02"], **options)


def test_faults_as_the_command_line_says_them() -> None:
    found = NONE
    for text in ("silence", "wrong-unit", "exception=4", "delay=1.5s", "hole=input:0x10-0x1F", "hole=7", "every=3"):
        found = fault(text, found)
    first, second = found.holes
    assert (found.silence, found.wrong_unit, found.exception, found.delay, found.every) == (True, True, 4, 1.5, 3)
    assert (first.first, first.last, second.first, second.last) == (16, 31, 7, 7)
    assert isinstance(first, Hole)


@pytest.mark.parametrize(
    "text", ["", "noise", "exception", "exception=no", "delay=5", "hole=x:1", "silence=5", "every=0"]
)
def test_a_wrong_fault_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="not understood"):
        fault(text)


def test_unknown_fault_by_name() -> None:
    async def no() -> None:
        async with serve(World.from_profiles(["xy-md02"])) as running:
            running.fault("xy-md02", sleepy=True)

    with pytest.raises(ConfigError, match="no fault 'sleepy'"):
        asyncio.run(no())


def test_profiles_are_found_by_path_file_name_and_name(tmp_path: Path) -> None:
    copy = tmp_path / "mine.yaml"
    copy.write_bytes(next(entry for entry in shipped() if entry.name == "xy-md02.yaml").read_bytes())
    assert (
        find_profile(str(copy))
        == find_profile("mine.yaml", tmp_path)
        == find_profile("xy-md02")
        == find_profile("XY-MD02")
    )


async def test_the_options_of_the_command(tmp_path: Path, clock: MovingClock) -> None:
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    options = SimulateOptions(
        profiles=("xy-md02", "eastron-sdm630"), count=2, unit=3, faults=("exception=6",), delay=0.02,
        devices=tmp_path / "devices.yaml",
    )  # fmt: skip
    task = asyncio.create_task(run(options, clock, ready.set_result))
    running = await ready
    assert list(running.devices) == ["xy-md02-1", "xy-md02-2", "eastron-sdm630-1", "eastron-sdm630-2"]
    listed = load_devices((tmp_path / "devices.yaml").read_text(), "devices.yaml", strict=True).value
    assert [device.name for device in listed] == list(running.devices)
    assert {served.unit.faults for served in running.devices.values()} == {Faults(exception=6, delay=0.02)}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (SimulateOptions(), "nothing to simulate"),
        (SimulateOptions(profiles=("xy-md02",), world=Path("world.yaml")), "not both"),
        (SimulateOptions(profiles=("xy-md03",)), "did you mean xy-md02"),
    ],
)
async def test_wrong_options_are_told(options: SimulateOptions, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        await run(options)


MULTI = """\
name: Multi
parameters:
  circuit: { valueType: Uint8, minimum: 1, maximum: 12 }
  ratio: { valueType: Float64, defaultValue: 1 }
deviceResources:
  - name: Current
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: $(1000 + 100 * (circuit - 1)) }
    properties: { valueType: Uint16, readWrite: RW, scale: $(ratio) }
"""


async def test_devices_of_a_profile_with_parameters(tmp_path: Path) -> None:
    """Circuits of one meter behind one unit id: each answers for its own registers."""
    (tmp_path / "multi.yaml").write_text(MULTI)
    port = free_port()
    entries = [
        f"  - {{profile: multi.yaml, name: c{n}, tcp: {port}, unit: 7, parameters: {{circuit: {n}, ratio: 2}}}}\n"
        for n in (1, 2, 3)
    ]
    entries[2] = entries[2].replace("}}", "}, overrides: {Current: {properties: {scale: 10}}}}")
    path = tmp_path / "world.yaml"
    path.write_text("devices:\n" + "".join(entries))
    async with serve(World.from_file(path)) as running:
        endpoint = running.devices["c1"].endpoint
        for n in (1, 2, 3):
            running.set(f"c{n}", "Current", n * 100)
        answers = [
            endpoint.answer(7, bytes((3, *address.to_bytes(2, "big"), 0, 1)))[0] for address in (1000, 1100, 1200)
        ]
        assert [int.from_bytes(answer[2:], "big") for answer in answers if answer] == [50, 100, 30]
        assert endpoint.answer(7, bytes.fromhex("0304b10001"))[0] == b"\x83\x02"
        endpoint.answer(7, bytes.fromhex("06044c0009"))
        assert [running.get(f"c{n}", "Current") for n in (1, 2, 3)] == [100, 18, 300]
        assert [running.requests(f"c{n}") for n in (1, 2, 3)] == [2, 2, 1]
        devices = load_devices(running.device_list(), "devices.yaml", strict=True).value
        assert [one.properties.get("parameters") for one in devices] == [{"circuit": n, "ratio": 2} for n in (1, 2, 3)]
        assert devices[2].properties["overrides"] == {"Current": {"properties": {"scale": 10}}}


async def test_two_devices_with_an_address_in_common_need_units_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "multi.yaml").write_text(MULTI)
    port = free_port()
    entry = f"  - {{profile: multi.yaml, tcp: {port}, parameters: {{circuit: 4}}, name: "
    path = tmp_path / "world.yaml"
    path.write_text(f"devices:\n{entry}a}}\n{entry}b}}\n")
    with pytest.raises(ConfigError, match=r"unit 1 is on .* twice"):
        async with serve(World.from_file(path)):
            pass
