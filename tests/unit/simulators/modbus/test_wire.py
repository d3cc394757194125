"""Ports and lines, with clients that are not ours: pymodbus here, mbpoll and libmodbus in `test_peers`."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType

from gateway.model.errors import ConfigError
from gateway.runtime.clock import SystemClock
from simulators.modbus.unit import Unit
from simulators.modbus.wire import Line, TcpPort
from simulators.world import Running, World, serve
from simulators.worldfile import WorldFile
from tests.support.clock import MovingClock
from tests.support.ports import free_port
from tests.unit.simulators.profiles import COIL, INPUT, pdu, profile, resource

SMALL = profile(
    resource("A", INPUT + "0", "valueType: Uint16, readWrite: R"),
    resource("Relay", COIL + "0", "valueType: Bool, readWrite: RW"),
)


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def small(**settings: object) -> AsyncIterator[tuple[Running, int]]:
    async with serve(World.from_profiles([SMALL], **settings)) as running:  # type: ignore[arg-type]
        running.set("Test", "A", 0x1234)
        endpoint = running.devices["Test"].endpoint
        assert isinstance(endpoint, TcpPort)
        yield running, endpoint.port


async def until(true: Callable[[], object]) -> None:
    """Turns the loop until something happened; the sockets are real, the clock need not be."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0)


HUNG_UP = (ConnectionResetError, asyncio.IncompleteReadError)
READ = "0001 0000 0006 01 04 0000 0001"
ANSWER = "0001 0000 0005 01 04 02 1234"


async def ask(port: int, request: str, size: int) -> bytes:
    async with raw(port) as (reader, writer):
        writer.write(pdu(request))
        async with asyncio.timeout(5):
            return await reader.readexactly(size)


async def test_a_request_in_pieces_and_two_at_once() -> None:
    async with small() as (_, port), raw(port) as (reader, writer):
        for byte in pdu(READ):
            writer.write(bytes((byte,)))
            await writer.drain()
        assert await reader.readexactly(11) == pdu(ANSWER)
        writer.write(pdu(READ) + pdu(READ.replace("0001", "0002", 1)))
        assert await reader.readexactly(22) == pdu(ANSWER + ANSWER.replace("0001", "0002", 1))


async def test_what_is_not_modbus_is_hung_up_on() -> None:
    async with small() as (_, port), raw(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(HUNG_UP):
            await reader.readexactly(1)


async def test_an_unknown_unit_is_silent_or_answers_11() -> None:
    async with small() as (_, port), raw(port) as (reader, writer):
        writer.write(pdu("0001 0000 0006 09 04 0000 0001") + pdu(READ.replace("0001", "0002", 1)))
        assert await reader.readexactly(2) == b"\0\2", "the first one got no answer"
    async with small(unknown="exception") as (_, port):
        assert await ask(port, "0001 0000 0006 09 04 0000 0001", 9) == pdu("0001 0000 0003 09 84 0b")


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ({"exception": 6}, "0001 0000 0003 01 84 06"),
        ({"wrong_unit": True}, "0001 0000 0005 02 04 02 1234"),
        ({"garbage": True}, "a5a4 a5a5 a5a0 a4 a1 a7 b791"),
        ({"holes": ["input:0"]}, "0001 0000 0003 01 84 02"),
    ],
)
async def test_faults_of_a_unit_and_back(fault: dict[str, object], answer: str) -> None:
    async with small() as (running, port):
        running.fault("Test", **fault)
        assert await ask(port, READ, len(pdu(answer))) == pdu(answer)
        running.fault("Test")
        assert await ask(port, READ, 11) == pdu(ANSWER)


async def test_silence_is_silent_and_every_counts() -> None:
    async with small() as (running, port), raw(port) as (reader, writer):
        running.fault("Test", silence=True, every=2)
        for transaction in range(1, 7):
            writer.write(pdu(READ.replace("0001", f"{transaction:04x}", 1)))
        got = await reader.readexactly(3 * 11)
        assert [got[at + 1] for at in (0, 11, 22)] == [1, 3, 5]


async def test_holes_are_met_by_every_nth_request_and_by_those_of_a_port() -> None:
    async with small() as (running, port):
        running.fault("Test", holes=["input:0"], every=2)
        refused = [(await ask(port, READ, 9))[7] == 0x84 for _ in range(4)]
        assert refused == [False, True, False, True]
        running.fault("Test")
        running.fault_port("Test", holes=["input:0"])
        assert await ask(port, READ, 9) == pdu("0001 0000 0003 01 84 02")
        running.fault("Test", holes=["input:0"])
        running.fault_port("Test", delay=0.001)
        assert await ask(port, READ, 9) == pdu("0001 0000 0003 01 84 02"), "a delay of the port leaves the unit's own"


async def test_a_dropped_connection_can_be_made_again() -> None:
    async with small() as (running, port):
        running.fault_port("Test", drop=True)
        with pytest.raises(HUNG_UP):
            await ask(port, READ, 11)
        running.fault_port("Test")
        assert await ask(port, READ, 11) == pdu(ANSWER)


async def test_unplugged_refuses_and_plugged_keeps_port_and_values() -> None:
    async with small() as (running, port):
        async with raw(port) as (reader, _):
            await running.unplug("Test")
            with pytest.raises(HUNG_UP):
                await reader.readexactly(1)
        with pytest.raises(ConnectionRefusedError):
            await ask(port, READ, 11)
        await running.plug("Test")
        assert await ask(port, READ, 11) == pdu(ANSWER)


async def test_answers_that_take_their_time_come_one_after_the_other(clock: MovingClock) -> None:
    async with serve(World.from_profiles([SMALL]), clock) as running:
        endpoint = running.devices["Test"].endpoint
        assert isinstance(endpoint, TcpPort)
        running.fault("Test", delay=0.02)
        async with raw(endpoint.port) as (reader, writer):
            writer.write(pdu(READ) * 3)
            await until(lambda: running.requests("Test") == 3)
            for count in (1, 2, 3):
                assert len(reader._buffer) == 11 * (count - 1)  # type: ignore[attr-defined]
                await clock.advance(0.02)
                await until(lambda: len(reader._buffer) >= 11 * count)  # type: ignore[attr-defined]  # noqa: B023


async def test_a_taken_port_is_told() -> None:
    async with small() as (_, port):
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with serve(World.from_profiles([SMALL], port=port)):
                pass


async def test_units_share_a_port() -> None:
    port = free_port()
    world = World.from_profiles(["xy-md02"], port=port)
    entry = world.file.devices[0]
    two = WorldFile(devices=[entry, entry.model_copy(update={"name": "second", "unit": 9})])
    async with serve(World._of(two)) as running:
        running.set("second", "Temperature", -1.5)
        assert running.devices["xy-md02"].endpoint is running.devices["second"].endpoint
        assert await ask(port, "0001 0000 0006 09 04 0001 0001", 11) == pdu("0001 0000 0005 09 04 02 fff1")
    with pytest.raises(ConfigError, match=r"unit 1 is on 127\.0\.0\.1:.* twice"):
        async with serve(World._of(WorldFile(devices=[entry, entry.model_copy(update={"name": "second"})]))):
            pass


async def test_rtu_frames_over_tcp() -> None:
    port = TcpPort(SystemClock(), rtu=True)
    port.add(1, Unit(SMALL, SystemClock()))
    port.units[1].set("A", 77)
    await port.open()
    client = AsyncModbusTcpClient("127.0.0.1", port=port.port, framer=FramerType.RTU, reconnect_delay=0)
    try:
        assert await client.connect()
        assert (await client.read_input_registers(0, device_id=1)).registers == [77]
    finally:
        client.close()
        await port.close()


@asynccontextmanager
async def line_client(path: str) -> AsyncIterator[AsyncModbusSerialClient]:
    client = AsyncModbusSerialClient(path, baudrate=19200, timeout=0.3, retries=0, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def test_a_line_with_two_units_a_stranger_and_a_broadcast() -> None:
    async with serve(World.from_profiles(["xy-md02", "waveshare-modbus-rtu-relay"], unit=5, rtu=True)) as running:
        running.set("xy-md02", "Temperature", 21.5)
        path = running.devices["xy-md02"].address
        assert await asyncio.to_thread(os.path.exists, path)
        async with line_client(path) as client:
            assert (await client.read_input_registers(1, device_id=5)).registers == [215]
            assert (await client.write_coils(0, [True, False, True], device_id=6)).function_code == 0x8F, (
                "wants function 5"
            )
            assert not (await client.write_coil(2, True, device_id=6)).isError()
            with pytest.raises(ModbusException):
                await client.read_input_registers(1, device_id=7)
            assert (await client.read_coils(0, count=8, device_id=6)).bits[:4] == [False, False, True, False]
            await client.write_coil(7, True, device_id=0, no_response_expected=True)
            assert (await client.read_coils(7, count=1, device_id=6)).bits[0]
        assert running.get("waveshare-modbus-rtu-relay", "Relay8") is True
    assert not await asyncio.to_thread(os.path.exists, path)


async def test_half_a_frame_is_forgotten_after_a_pause(clock: MovingClock) -> None:
    line = Line(clock)
    line.add(1, Unit(SMALL, clock))
    await line.open()
    fd = os.open(line.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.write(fd, pdu("01 04 00"))
        await until(lambda: line._channel._buffer)  # type: ignore[union-attr]
        await clock.advance(0.2)
        os.write(fd, pdu("01 04 0000 0001 31ca"))
        await until(lambda: line.requests)
        assert os.read(fd, 100)[:3] == pdu("01 04 02")
    finally:
        os.close(fd)
        await line.close()


async def test_a_line_by_name_comes_back_under_it(tmp_path: Path) -> None:
    link = tmp_path / "line0"
    line = Line(SystemClock(), str(link))
    await line.open()
    assert link.is_symlink()
    assert line.path == str(link)
    await line.close()
    await line.close()
    assert not link.is_symlink()
    await line.open()
    assert link.resolve().is_char_device()
    await line.close()


async def test_a_line_that_cannot_have_its_name(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="cannot make the link"):
        await Line(SystemClock(), str(tmp_path / "taken")).open()
