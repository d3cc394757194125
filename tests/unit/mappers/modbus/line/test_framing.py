"""RTU frames over a TCP connection, frames found on first contact, ASCII lines; and what a device wants spared."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.model.device import Device
from gateway.model.errors import NoAnswer, NotConnected
from gateway.model.reading import refused
from gateway.runtime.clock import SystemClock
from mappers.modbus import Modbus
from mappers.modbus.line.connection import reach
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import ModbusPlan, plan
from tests.support.peers import need
from tests.support.ports import free_port
from tests.unit.mappers.modbus.build import device, resource, source
from tests.unit.mappers.modbus.line.test_rtu import framed, held
from tests.unit.mappers.modbus.peer import peer, registers

Answer = Callable[[int, bytes], list[bytes | float]]


class Converter:
    """A serial server that hands RTU frames on as they are; `answer` gets unit and PDU."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connects = 0
        self.asked: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects += 1
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while frame := await reader.read(300):
                self.asked.append(frame)
                if framed(frame[0], frame[1:-2]) != frame:
                    continue  # no RTU frame: a device on a line keeps silent
                for piece in self.answer(frame[0], frame[1:-2]):
                    if isinstance(piece, float):
                        await asyncio.sleep(piece)
                    else:
                        writer.write(piece)
                        await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def converter(answer: Answer) -> AsyncIterator[tuple[Converter, int]]:
    made = Converter(answer)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await made.stop()
        await server.wait_closed()


@asynccontextmanager
async def connected(there: Device, protocol: Modbus | None = None) -> AsyncIterator[tuple[Any, ModbusPlan]]:
    mapper = (protocol or Modbus()).open(reach(there)[0], SystemClock())
    await mapper.connect()
    try:
        yield mapper, plan(there, [source(*(resource(f"r{i}", "Uint16", i) for i in range(3)))], {})
    finally:
        await mapper.close()


def good(unit: int, pdu: bytes) -> list[bytes | float]:
    return [framed(unit, held(pdu, unit))]


async def test_rtu_frames_over_tcp() -> None:
    async with converter(good) as (line, port):
        there = device(port, 7, Framing="rtu")
        async with connected(there) as (mapper, made):
            assert (await mapper.read(made))[0].values == [7] * 3
        assert line.asked[0][:6] == bytes.fromhex("07 03 00 00 00 03")
        assert (made.requests[0].sent, made.requests[0].received) == (8, 11)


async def test_an_answer_after_the_time_out_is_never_the_next_ones() -> None:
    """10 ms too late, with other data: the frames carry no number, so the line is drained first."""
    answers: list[list[bytes | float]] = []
    async with (
        converter(lambda unit, pdu: answers.pop(0)) as (_, port),
        connected(device(port, 1, Framing="rtu", Timeout="150ms")) as (mapper, made),
    ):
        pdu = made.requests[0].pdu
        for _ in range(5):
            answers[:] = [[0.16, framed(1, held(pdu, 0xDEAD))], [framed(1, held(pdu, 7))]]
            with pytest.raises(NoAnswer):
                await mapper.read(made)
            assert (await mapper.read(made))[0].values == [7] * 3


async def test_the_framing_is_found_on_first_contact_and_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mappers.modbus.line.wire")
    protocol = Modbus()
    async with converter(good) as (line, port):
        there = device(port, 7, Framing="auto", Timeout="100ms")
        for _ in range(3):
            async with connected(there, protocol) as (mapper, made):
                assert (await mapper.read(made))[0].values == [7] * 3
        assert [frame[:2] for frame in line.asked] == [b"\0\1", b"\7\3", b"\7\3", b"\7\3"], "one trial, then none"
    assert [record.getMessage() for record in caplog.records] == [
        f"127.0.0.1:{port} speaks RTU frames over TCP; Framing: rtu in its device file spares the trial"
    ]


async def test_a_silent_unit_on_a_new_connection_does_not_make_its_neighbour_begin_anew() -> None:
    async with converter(lambda unit, pdu: good(unit, pdu) if unit == 7 else []) as (line, port):
        there = device(port, 7, Framing="auto", Timeout="100ms", CloseAfterCycle="true")
        async with connected(there) as (mapper, made):
            assert (await mapper.read(made))[0].values == [7] * 3
            await mapper.rest()
            line.asked.clear()
            silent = plan(device(port, 9, Framing="auto"), [source(resource("r", "Uint16", 0))], {})
            with pytest.raises(NoAnswer):
                await mapper.read(silent, 0.05)
            assert (await mapper.read(made))[0].values == [7] * 3
            assert [frame[0] for frame in line.asked] == [9, 7], "no Modbus TCP frame that nobody answers"


async def test_a_device_that_speaks_modbus_tcp_is_found_without_a_second_try() -> None:
    async with peer(registers) as there:
        async with connected(device(there.port, 1, Framing="auto")) as (mapper, made):
            assert (await mapper.read(made))[0].values == [0, 1, 2]
        assert len(there.requests) == 1


async def test_while_nobody_answers_both_framings_are_tried_each_time() -> None:
    awake = False
    async with converter(lambda unit, pdu: good(unit, pdu) if awake else []) as (line, port):
        async with connected(device(port, 7, Framing="auto", Timeout="50ms")) as (mapper, made):
            for _ in range(2):
                with pytest.raises(NoAnswer, match="unit 7"):
                    await mapper.read(made)
            awake = True
            assert (await mapper.read(made))[0].values == [7] * 3
        assert len(line.asked) == 6


@asynccontextmanager
async def cable(folder: Path) -> AsyncIterator[tuple[Path, Path]]:
    ends = (folder / "a", folder / "b")
    run = await asyncio.create_subprocess_exec(need("socat"), *(f"pty,raw,echo=0,link={end}" for end in ends))
    try:
        async with asyncio.timeout(10):
            while not all(end.exists() for end in ends):  # noqa: ASYNC110  socat tells nobody
                await asyncio.sleep(0.01)
        yield ends
    finally:
        run.terminate()
        await run.wait()


async def test_pymodbus_as_an_ascii_device(tmp_path: Path) -> None:
    async with cable(tmp_path) as (there, here):
        held_values = [SimData(0, values=list(range(200)), datatype=DataType.REGISTERS)]
        server = ModbusSerialServer(
            SimDevice(17, simdata=held_values), framer=FramerType.ASCII, port=str(there), baudrate=19200
        )
        await server.serve_forever(background=True)
        given = {"Address": str(here), "UnitID": 17, "BaudRate": 19200, "Parity": "N", "Timeout": "2s"}
        on_line = Device.model_validate({"name": "d", "profileName": "p", "protocols": {"modbus-ascii": given}})
        async with connected(on_line) as (mapper, made):
            assert (await mapper.read(made))[0].values == [0, 1, 2]
            await mapper.write(made, {"r1": 0xFFFF})
            assert (await mapper.read(made))[0].values == [0, 0xFFFF, 2]
            longest = plan(on_line, [source(*(resource(f"r{i}", "Uint16", i) for i in range(2, 127)))], {})
            assert (await mapper.read(longest))[0].values == list(range(2, 127))
        assert made.requests[0].sent == len(":110300000003E9\r\n")
        await server.shutdown()


async def test_pymodbus_with_rtu_frames_over_tcp() -> None:
    port = free_port()
    held_values = [SimData(0, values=list(range(200)), datatype=DataType.REGISTERS)]
    server = ModbusTcpServer(SimDevice(17, simdata=held_values), framer=FramerType.RTU, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    async with connected(device(port, 17, Framing="rtu")) as (mapper, made):
        assert (await mapper.read(made))[0].values == [0, 1, 2]
    await server.shutdown()


@pytest.mark.parametrize(("retries", "value"), [(0, None), (1, None), (2, 7)])
async def test_a_busy_device_is_asked_again_as_often_as_its_file_says(retries: int, value: int | None) -> None:
    left = 2 * [[framed(7, b"\x83\x06")]]
    async with (
        converter(lambda unit, pdu: left.pop() if left else good(unit, pdu)) as (line, port),
        connected(device(port, 7, Framing="rtu", BusyRetries=retries)) as (mapper, made),
    ):
        (event,) = await mapper.read(made)
        assert event.values == [value] * 3
        assert event.quality == (None if value else dict.fromkeys(range(3), refused("6")))
        assert len(line.asked) == retries + 1


async def test_a_connection_at_rest_is_opened_by_the_next_read_and_a_device_may_hang_up_meanwhile() -> None:
    async with peer(registers) as there:
        async with connected(device(there.port, IdleTimeout="5s")) as (mapper, made):
            assert mapper.rest_after == 5.0
            there.reset = True  # it hangs up after each answer
            for _ in range(3):
                assert (await mapper.read(made))[0].values == [0, 1, 2]
                await _until_down(mapper)
            there.reset = False
            await mapper.rest()
            assert (await mapper.read(made))[0].values == [0, 1, 2]
        async with connected(device(there.port)) as (mapper, made):
            there.reset = True
            await mapper.read(made)
            await _until_down(mapper)
            with pytest.raises(NotConnected):
                await mapper.read(made)
    assert ModbusMapper(reach(device(1, CloseAfterCycle="true", IdleTimeout=9))[0], SystemClock()).rest_after == 0.0


async def _until_down(mapper: ModbusMapper) -> None:
    async with asyncio.timeout(5):
        while mapper._wire.up:  # noqa: ASYNC110  the connection tells nobody
            await asyncio.sleep(0.001)


async def test_a_converter_that_was_set_to_other_frames_is_found_again() -> None:
    protocol = Modbus()
    async with peer(registers) as there:
        with_it = device(there.port, 1, Framing="auto", Timeout="100ms")
        protocol._framings[reach(with_it)[0].key] = "rtu"  # as it spoke before
        async with connected(with_it, protocol) as (mapper, made):
            with pytest.raises((NoAnswer, NotConnected)):
                await mapper.read(made)
        async with connected(with_it, protocol) as (mapper, made):
            assert (await mapper.read(made))[0].values == [0, 1, 2]
