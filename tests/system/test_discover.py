"""`southgate discover modbus` as a user starts it: our simulators, pymodbus as a SunSpec inverter, a serial line."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.framer import FramerType
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.model.load import load_devices, load_profile
from gateway.runtime.clock import SystemClock
from gateway.runtime.sources import sources_of
from mappers import Switchboard
from simulators.library import find_profile
from simulators.world import World, serve
from tests.support.house import Said, southgate, surroundings
from tests.support.peers import need
from tests.support.ports import free_port
from tests.unit.mappers.modbus.discovery.test_describe import INVERTER
from tests.unit.mappers.modbus.talk import COMMON, END, at

QUICK = ("--requests", "500", "--connects", "500", "--timeout", "300ms")


async def discover(*arguments: str | Path, cwd: Path) -> Said:
    return await southgate("discover", "modbus", *arguments, *QUICK, cwd=cwd)


def sun(unit: int) -> SimDevice:
    """A SunSpec inverter with integer models, scale factors and a model nobody knows, as pymodbus's server holds it."""
    words = at(40000, "SunS", *COMMON, *INVERTER, 64001, 2, 7, 7, *END)
    values = [words[address] for address in sorted(words)]
    return SimDevice(unit, [SimData(40000, values=values, datatype=DataType.REGISTERS)])


def identity() -> ModbusDeviceIdentification:
    texts = {"VendorName": "Acme", "ProductCode": "Sun 5", "MajorMinorRevision": "1.2", "ModelName": "Sun"}
    return ModbusDeviceIdentification(info_name=texts)


@asynccontextmanager
async def pymodbus_inverter(unit: SimDevice | None = None) -> AsyncIterator[int]:
    port = free_port()
    server = ModbusTcpServer(unit or sun(1), identity=identity(), address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield port
    finally:
        await server.shutdown()


async def test_simulators_are_found_described_and_can_be_run(tmp_path: Path) -> None:
    names = ["fronius-symo-sunspec-113", "eastron-sdm630", "xy-md02"]
    async with serve(World.from_profiles(names)) as running:
        ports = [running.devices[name].address.rpartition(":")[2] for name in names]
        said = await discover("127.0.0.1", "--ports", ",".join(ports), "--out", "found", cwd=tmp_path)
        assert (said.code, said.err) == (0, "")
        lines = {line.partition(" ")[0]: line for line in said.out.splitlines()}
        symo, meter, climate = (lines[f"127.0.0.1:{port}"] for port in ports)
        assert "Fronius Symo" in symo
        assert "SunSpec 1, 113" in symo
        assert "is Eastron-SDM630 (it says that it is Eastron SDM630" in meter
        assert "is XY-MD02" in climate
        profile = load_profile((tmp_path / "found/profiles/Fronius-Symo-SunSpec.yaml").read_text("utf-8"), "p").value
        text = (tmp_path / "found/devices/discovered.yaml").read_text("utf-8")
        devices = load_devices(text, "devices.yaml", strict=True).value
        by_profile = {device.profile_name: device for device in devices}
        assert sorted(by_profile) == ["Eastron-SDM630", "Fronius-Symo-SunSpec", "XY-MD02"]
        inverter = by_profile["Fronius-Symo-SunSpec"]
        checked = await southgate("check", "found", cwd=tmp_path)
        assert checked.code == 0, checked.err
        values = await read(inverter, profile, "Inverter")
        running.set(names[0], "Power", 4321.0)
        assert (await read(inverter, profile, "Inverter"))["Inverter_W"] == 4321.0
        assert 45 < values["Inverter_Hz"] < 65
        again = await discover(f"127.0.0.1:{ports[2]}", "--out", "found", cwd=tmp_path)
        assert again.code == 2
        assert "nothing is overwritten" in again.err
        assert (tmp_path / "found/devices/discovered.yaml").read_text("utf-8") == text


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def read(device: Any, profile: Any, source: str) -> dict[str, Any]:
    """What the gateway's own mapper makes of the device with the profile that was written: raw values by resource."""
    protocol = Switchboard().of(device)
    wanted = sources_of(device, profile, protocol.service)[source]
    mapper = protocol.open(protocol.connection(device), SystemClock())
    await mapper.connect()
    try:
        (event,) = await mapper.read(protocol.plan(device, [wanted], {}))
    finally:
        await mapper.close()
    assert not event.quality
    return dict(zip(event.names(), event.values, strict=True))


async def test_pymodbus_as_a_sunspec_inverter(tmp_path: Path) -> None:
    async with pymodbus_inverter() as port:
        said = await discover(f"127.0.0.1:{port}", "--out", "found", "--json", cwd=tmp_path)
        assert said.code == 0, said.err
        (found,) = said.body["found"]
        assert found["identification"]["vendor"] == "Acme"
        assert [(m["id"], m["described"]) for m in found["sunspec"]["models"]] == [
            (1, True),
            (103, True),
            (64001, False),
        ]
        assert (found["sunspec"]["serial"], found["sunspec"]["problems"]) == ("S-77", [])
        text = (tmp_path / "found/profiles/Acme-Sun-5-SunSpec.yaml").read_text("utf-8")
        assert "SCALE FACTORS ARE FIXED AT DISCOVERY" in text
        profile = load_profile(text, "p.yaml", strict=True).value
        scales = {r.name: r.properties.scale for r in profile.device_resources}
        assert (scales["Inverter_A"], scales["Inverter_PhVphA"], scales["Inverter_Hz"]) == (0.01, 0.1, 0.01)
        assert "Inverter_A_SF" in scales
        (device,) = load_devices((tmp_path / "found/devices/discovered.yaml").read_text("utf-8"), "d.yaml").value
        values = await read(device, profile, "Inverter")
        assert (values["Inverter_A"], values["Inverter_Hz"], values["Inverter_St"]) == (1234.0, 5001.0, 4)


async def test_a_simulation_of_what_was_written_is_found_again(tmp_path: Path) -> None:
    """The profile says the chain, so the simulator serves it: discovery of the simulation writes the same profile."""
    async with pymodbus_inverter() as port:
        await discover(f"127.0.0.1:{port}", "--out", "first", cwd=tmp_path)
    path = tmp_path / "first/profiles/Acme-Sun-5-SunSpec.yaml"
    async with serve(World.from_profiles([path])) as running:
        (served,) = running.devices.values()
        said = await discover(served.address, "--out", "second", cwd=tmp_path)
    assert said.code == 0, said.err
    first, second = (
        load_profile((tmp_path / f"{name}/profiles/Acme-Sun-5-SunSpec.yaml").read_text("utf-8"), "p").value
        for name in ("first", "second")
    )
    scales = [{r.name: r.properties.scale for r in p.device_resources if r.properties.scale} for p in (first, second)]
    assert scales[0]
    assert scales[0].items() <= scales[1].items()


async def test_a_simulation_of_curves_is_found_again(tmp_path: Path) -> None:
    """Volt-var with two curves of three points: as pymodbus serves it, and as the simulator makes it of the profile."""
    curve = (3, 1, 1, 1000, 1000, 0, 5, 0, 10, 0, 900, 440, 1000, 0, 1100, -440)
    volt_var = (705, 13 + 32, 1, 0, 1, 3, 2, 0, 0, 0, 0, 0, -1, -1, 0, *curve, *curve)
    words = at(40000, "SunS", *COMMON, *volt_var, *END)
    unit = SimDevice(1, [SimData(40000, values=[words[a] for a in sorted(words)], datatype=DataType.REGISTERS)])
    async with pymodbus_inverter(unit) as port:
        await discover(f"127.0.0.1:{port}", "--out", "first", cwd=tmp_path)
        path = tmp_path / "first/profiles/Acme-Sun-5-SunSpec.yaml"
        profile = load_profile(path.read_text("utf-8"), "p", strict=True).value
        (device,) = load_devices((tmp_path / "first/devices/discovered.yaml").read_text("utf-8"), "d.yaml").value
        values = await read(device, profile, "DERVoltVar")
    assert (values["DERVoltVar_2_Pt_3_V"], values["DERVoltVar_2_Pt_3_Var"]) == (1100.0, -440.0)
    async with serve(World.from_profiles([path])) as running:
        (served,) = running.devices.values()
        said = await discover(served.address, "--out", "second", cwd=tmp_path)
    assert said.code == 0, said.err
    again = load_profile((tmp_path / "second/profiles/Acme-Sun-5-SunSpec.yaml").read_text("utf-8"), "p").value
    places = [{r.name: r.attributes["startingAddress"] for r in p.device_resources} for p in (profile, again)]
    assert places[0] == places[1]


async def test_a_serial_line_of_our_simulators(tmp_path: Path) -> None:
    async with serve(World.from_profiles(["xy-md02", "eastron-sdm230"], rtu=True, unit=2)) as running:
        path = running.devices["xy-md02"].address
        said = await discover(path, "--units", "1-4", "--baud", "19200,9600", "--parity", "N", "--json", cwd=tmp_path)
    assert said.code == 0, said.err
    found = said.body["found"]
    assert [(one["unit"], one["profile"]) for one in found] == [(2, "XY-MD02"), (3, "Eastron-SDM230")]
    assert {one["protocols"]["modbus-rtu"]["BaudRate"] for one in found} == {19200}, "one setting of a line is enough"


@pytest.mark.parametrize(("framer", "shown"), [(FramerType.RTU, "9600 8N1"), (FramerType.ASCII, "9600 8N1 ASCII")])
async def test_pymodbus_on_a_serial_line(tmp_path: Path, framer: FramerType, shown: str) -> None:
    ends = (tmp_path / "a", tmp_path / "b")
    cable = await asyncio.create_subprocess_exec(need("socat"), *(f"pty,raw,echo=0,link={end}" for end in ends))
    try:
        async with asyncio.timeout(10):
            while not all(end.exists() for end in ends):  # noqa: ASYNC110  socat tells nobody
                await asyncio.sleep(0.01)
        server = ModbusSerialServer(sun(3), identity=identity(), framer=framer, port=str(ends[0]), baudrate=9600)
        await server.serve_forever(background=True)
        try:
            settings = ("--units", "2-3", "--baud", "9600", "--parity", "N", "--framing", "rtu,ascii")
            said = await discover(ends[1], *settings, cwd=tmp_path)
        finally:
            await server.shutdown()
    finally:
        cable.terminate()
        await cable.wait()
    assert said.code == 0, said.err
    assert f"{ends[1]} {shown} unit 3: Acme Sun 5 1.2; SunSpec 1, 103, 64001 (Acme Sun 5 S-77)" in said.out
    assert "--- profiles/Acme-Sun-5-SunSpec.yaml" in said.out
    assert "--- devices/discovered.yaml" in said.out


async def test_ctrl_c_stops_at_once_and_shows_what_was_found(tmp_path: Path) -> None:
    async with serve(World.from_profiles(["eastron-sdm630"])) as running:
        address = running.devices["eastron-sdm630"].address
        arguments = ("discover", "modbus", address, "--units", "1-247", "--timeout", "1s", "--out", "found")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments, cwd=tmp_path, env=surroundings(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        async with asyncio.timeout(20):
            first = await process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
    assert process.returncode == 130
    assert first.startswith(f"{address} unit 1: Eastron".encode())
    assert b"written: found/devices/discovered.yaml" in out
    assert b"interrupted after " in err
    assert (tmp_path / "found/devices/discovered.yaml").is_file()


async def test_progress_on_a_terminal(tmp_path: Path) -> None:
    master, slave = os.openpty()
    arguments = ("discover", "modbus", f"127.0.0.1:{free_port()}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, cwd=tmp_path, env=surroundings(), stderr=slave,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    os.close(slave)
    try:
        async with asyncio.timeout(20):
            assert await process.wait() == 3
        assert b"units asked, 0 found" in os.read(master, 4096)
    finally:
        os.close(master)


async def test_what_is_refused_and_what_nobody_answers(tmp_path: Path) -> None:
    silly = await discover("10.0.0.0/8", cwd=tmp_path)
    assert silly.code == 2
    assert "at most 4096 (a /20) are scanned at once. Name the part" in silly.err
    nobody = await discover(f"127.0.0.1:{free_port()}", cwd=tmp_path)
    assert nobody.code == 3
    assert "refused" in nobody.err
    several = await discover("127.0.0.1", "--ports", f"{free_port()},{free_port()}", cwd=tmp_path)
    assert several.code == 1
    assert "2 places cannot be reached" in several.err
    port = await discover("/dev/there-is-no-such-port", cwd=tmp_path)
    assert port.code == 3
    assert "/dev/there-is-no-such-port" in port.err
    assert not any(files(tmp_path))


async def test_a_device_without_a_sure_profile_stands_in_the_list_as_a_comment(tmp_path: Path) -> None:
    nameless = find_profile("eastron-sdm630").model_copy(update={"manufacturer": "", "model": ""})
    async with serve(World.from_profiles([nameless])) as running:
        (served,) = running.devices.values()
        said = await discover(served.address, cwd=tmp_path)
    assert said.code == 0
    assert "may be Eastron-" in said.out
    assert "(Frequency reads " in said.out
    assert "deviceList: []" in said.out
    assert "#  profileName: WHICH-PROFILE" in said.out


async def test_one_device_that_answers_to_every_unit_id(tmp_path: Path) -> None:
    async with pymodbus_inverter(sun(0)) as port:
        said = await discover(f"127.0.0.1:{port}", "--units", "1-6", cwd=tmp_path)
    assert said.code == 0, said.err
    assert "6 units say that they are Acme Sun 5 1.2 S-77: like devices behind a gateway, or one device" in said.out
    assert said.out.count("--- profiles/") == 1, "equal devices share a profile"


async def test_a_converter_that_passes_rtu_frames_on(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text("devices: [{profile: xy-md02, unit: 7, framing: rtu, name: c}]", "utf-8")
    async with serve(World.from_file(tmp_path / "world.yaml")) as running:
        address = running.devices["c"].address
        said = await discover(address, "--units", "6-7", "--json", cwd=tmp_path)
        assert said.code == 0, said.err
        assert (said.body["silent"], said.body["unreachable"]) == ([], {})
        (found,) = said.body["found"]
        assert (found["unit"], found["profile"]) == (7, "XY-MD02")
        assert found["protocols"]["modbus-tcp"]["Framing"] == "rtu"
