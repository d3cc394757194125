"""A plain RTU line: a device played byte by byte behind a pty, and pymodbus's own serial server."""

import asyncio
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.framer.rtu import FramerRTU
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.model.errors import NoAnswer, NotConnected
from gateway.runtime.clock import SystemClock
from mappers.modbus.line.connection import reach
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import ModbusPlan, plan
from tests.support.peers import need
from tests.unit.mappers.modbus.build import resource, serial_device, source


def framed(unit: int, pdu: bytes) -> bytes:
    data = bytes((unit,)) + pdu
    return data + FramerRTU.compute_CRC(data).to_bytes(2)


def held(pdu: bytes, value: int) -> bytes:
    """A right answer to a read, every register holding `value`."""
    count = struct.unpack_from(">H", pdu, 3)[0]
    return struct.pack(f">BB{count}H", pdu[0], 2 * count, *[value] * count)


class Line:
    """The far end of a pty. `answer` gets unit and PDU and gives pieces to send and pauses in seconds."""

    def __init__(self, answer: Callable[[int, bytes], list[bytes | float]]) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        self.path = os.ttyname(self._near)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self.far, self._read)

    def _read(self) -> None:
        request = os.read(self.far, 300)
        self.requests.append(request)
        assert FramerRTU.compute_CRC(request[:-2]).to_bytes(2) == request[-2:]
        self._tasks.add(asyncio.get_running_loop().create_task(self._send(self.answer(request[0], request[1:-2]))))

    async def _send(self, pieces: list[bytes | float]) -> None:
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                os.write(self.far, piece)
                await asyncio.sleep(0.001)

    async def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self.far)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        os.close(self.far)
        os.close(self._near)


@asynccontextmanager
async def talking(
    answer: Callable[[int, bytes], list[bytes | float]], **properties: Any
) -> AsyncIterator[tuple[Line, ModbusMapper, Callable[[int], ModbusPlan]]]:
    """A line, a connected mapper, and plans of one request for a unit."""
    line = Line(answer)
    line.start()
    given = {"Timeout": "150ms", "BaudRate": 115200, **properties}
    mapper = ModbusMapper(reach(serial_device(line.path, **given))[0], SystemClock())
    resources = [resource(f"r{i}", "Uint16", i) for i in range(3)]
    try:
        await mapper.connect()
        yield line, mapper, lambda unit: plan(serial_device(line.path, unit, **given), [source(*resources)], {})
    finally:
        await mapper.close()
        await line.stop()


def good(unit: int, pdu: bytes) -> list[bytes | float]:
    return [framed(unit, held(pdu, unit))]


async def test_units_on_one_line() -> None:
    async with talking(good) as (line, mapper, plan_of):
        for unit in (1, 7, 247):
            assert (await mapper.read(plan_of(unit)))[0].values == [unit] * 3
        assert line.requests[0] == bytes.fromhex("01 03 00 00 00 03") + line.requests[0][-2:]


@pytest.mark.parametrize("piece", [1, 2, 5])
async def test_an_answer_in_pieces(piece: int) -> None:
    def pieces(unit: int, pdu: bytes) -> list[bytes | float]:
        whole = framed(unit, held(pdu, 5))
        return [whole[i : i + piece] for i in range(0, len(whole), piece)]

    async with talking(pieces) as (_, mapper, plan_of):
        assert (await mapper.read(plan_of(1)))[0].values == [5] * 3


@pytest.mark.parametrize(
    "wrong",
    [
        lambda unit, pdu: [],
        lambda unit, pdu: [framed(unit, held(pdu, 5))[:-1] + b"\0"],
        lambda unit, pdu: [framed(unit, held(pdu, 5))[:-3]],
        lambda unit, pdu: [framed(unit + 1, held(pdu, 5))],
        lambda unit, pdu: [framed(unit, b"\x04" + held(pdu, 5)[1:])],
        lambda unit, pdu: [framed(unit, b"\x83\x0b")],
        lambda unit, pdu: [framed(unit, b"\x2b\x0e\x01\x00")],
        lambda unit, pdu: [b"\xff\x00" * 40],
        lambda unit, pdu: [b"\xff" * 4000],
    ],
    ids=["silence", "CRC", "truncated", "foreign unit", "function", "code 11", "FC43", "noise", "flood"],
)
async def test_no_answer_of_one_unit_leaves_the_others_in_peace(wrong: Any) -> None:
    async with talking(lambda u, pdu: wrong(u, pdu) if u == 9 else good(u, pdu)) as (_, mapper, plan_of):
        with pytest.raises(NoAnswer, match="unit 9"):
            await mapper.read(plan_of(9))
        assert (await mapper.read(plan_of(1)))[0].values == [1] * 3


async def test_an_answer_after_the_time_out_is_never_the_next_ones() -> None:
    """The same unit, the same request: only time tells the answers apart. It comes 10 ms too late, with other data."""
    answers: list[list[bytes | float]] = []
    async with talking(lambda unit, pdu: answers.pop(0)) as (_, mapper, plan_of):
        pdu = plan_of(1).requests[0].pdu
        for _ in range(5):
            answers[:] = [[0.16, framed(1, held(pdu, 0xDEAD))], [framed(1, held(pdu, 7))]]
            with pytest.raises(NoAnswer):
                await mapper.read(plan_of(1))
            assert (await mapper.read(plan_of(1)))[0].values == [7] * 3


async def test_a_line_that_never_falls_quiet_does_not_hang() -> None:
    minutes: list[bytes | float] = [part for _ in range(20_000) for part in (b"\x55", 0.01)]
    async with talking(lambda unit, pdu: minutes) as (_, mapper, plan_of), asyncio.timeout(30):
        for _ in range(2):
            with pytest.raises(NoAnswer):
                await mapper.read(plan_of(1))


async def test_unplugged_is_not_connected() -> None:
    """The far end of the pty goes away while an answer is awaited."""
    async with talking(lambda unit, pdu: [], Timeout="20s") as (line, mapper, plan_of):
        reading = asyncio.create_task(mapper.read(plan_of(1)))
        async with asyncio.timeout(5):
            while not line.requests:  # noqa: ASYNC110  the far end is read by a callback
                await asyncio.sleep(0.001)
        asyncio.get_running_loop().remove_reader(line.far)
        os.close(line.far)
        with pytest.raises(NotConnected):
            async with asyncio.timeout(5):
                await reading
        line.far = os.dup(line._near)


@pytest.mark.parametrize("path", ["/dev/there-is-no-such-port", "/dev/null", "/"])
async def test_a_port_that_cannot_be_opened(path: str) -> None:
    mapper = ModbusMapper(reach(serial_device(path))[0], SystemClock())
    with pytest.raises(NotConnected, match=path):
        await mapper.connect()
    await mapper.close()


async def test_cancelled_while_opening() -> None:
    line = Line(good)
    mapper = ModbusMapper(reach(serial_device(line.path))[0], SystemClock())
    for turns in range(4):
        task = asyncio.create_task(mapper.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    line.start()
    await mapper.connect()
    await mapper.close()
    await line.stop()


async def test_pymodbus_as_the_device(tmp_path: Path) -> None:
    ends = (tmp_path / "a", tmp_path / "b")
    cable = await asyncio.create_subprocess_exec(need("socat"), *(f"pty,raw,echo=0,link={end}" for end in ends))
    try:
        async with asyncio.timeout(10):
            while not all(end.exists() for end in ends):  # noqa: ASYNC110  socat tells nobody
                await asyncio.sleep(0.01)
        registers = [SimData(0, values=list(range(200)), datatype=DataType.REGISTERS)]
        server = ModbusSerialServer(SimDevice(17, simdata=registers), port=str(ends[0]), baudrate=19200)
        await server.serve_forever(background=True)
        there = serial_device(str(ends[1]), 17, BaudRate=19200)
        mapper = ModbusMapper(reach(there)[0], SystemClock())
        await mapper.connect()
        made = plan(there, [source(*(resource(f"r{i}", "Uint16", i) for i in range(150)))], {})
        assert len(made.requests) == 2
        assert (await mapper.read(made))[0].values == list(range(150))
        await mapper.write(made, {"r3": 0xFFFF, "r149": 1})
        assert (await mapper.read(made))[0].values == [0, 1, 2, 0xFFFF, *range(4, 149), 1]
        await mapper.close()
        await server.shutdown()
    finally:
        cable.terminate()
        await cable.wait()
