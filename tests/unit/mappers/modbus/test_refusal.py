"""Exception responses: what a request makes of them, and that thousands of them leave nothing behind (T17)."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.model.errors import DeviceError, NoAnswer
from gateway.runtime.clock import SystemClock
from mappers.modbus.line.connection import reach
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import ModbusPlan, plan
from mappers.modbus.refusal import code_of, is_accepted, is_worth_asking_again, said
from simulators.modbus.faults import Faults
from simulators.modbus.wire import Line, TcpPort
from tests.unit.mappers.modbus.build import device, serial_device, source
from tests.unit.mappers.modbus.test_broadcast import RESOURCES, unit

READ, WRITE = b"\x03\0\0\0\1", b"\x06\0\0\0\1"
CODES = (1, 2, 3, 4, 5, 6, 8, 10, 11, 99)


@pytest.mark.parametrize(
    ("answer", "code"),
    [(b"\x83\x02", 2), (b"\x86\x05", 5), (b"\x83\0", 0), (b"\x83", None), (b"\x83\x02\x02", None), (b"\x03\x02", None)],
)
def test_an_exception_is_two_bytes_and_nothing_else(answer: bytes, code: int | None) -> None:
    assert code_of(answer) == code


@pytest.mark.parametrize("code", [None, *CODES])
def test_what_is_asked_again_and_what_was_taken(code: int | None) -> None:
    assert is_worth_asking_again(READ, code) is (code in (5, 6))
    assert is_worth_asking_again(WRITE, code) is (code == 6), "an acknowledged write is not sent twice"
    assert (is_accepted(READ, code), is_accepted(WRITE, code)) == (False, code == 5)


@pytest.mark.parametrize(
    ("pdu", "code", "says"),
    [
        ("06 00 01 00 05", 1, "ILLEGAL FUNCTION; it has no function 6; try writeFunction: 16"),
        ("10 00 01 00 01 02 00 05", 1, "try writeFunction: 6"),
        ("05 00 01 ff 00", 1, "try writeFunction: 15"),
        ("0f 00 01 00 01 01 01", 1, "try writeFunction: 5"),
        ("16 00 01 ff ef 00 10", 1, "leave writeFunction out"),
        ("06 00 01 00 05", 2, "ILLEGAL DATA ADDRESS; there is no such register to be written; look at startingAddress"),
        ("06 00 01 00 05", 3, "ILLEGAL DATA VALUE; it does not take this value; look at its range"),
        ("10 00 01 00 01 02 00 05", 4, "SERVER DEVICE FAILURE; it cannot do that now"),
        ("06 00 01 00 05", 6, "SERVER DEVICE BUSY; it has no time now; try again, or set BusyRetries"),
    ],
)
def test_what_to_try(pdu: str, code: int, says: str) -> None:
    assert says in said(bytes.fromhex(pdu), code)


@pytest.mark.parametrize("pdu", ["10 00 01 00 02 04 00 05 00 06", "0f 00 01 00 09 02 ff 01", "03 00 01 00 01"])
def test_no_function_is_suggested_that_cannot_do_it(pdu: str) -> None:
    assert said(bytes.fromhex(pdu), 1) == "exception 1 ILLEGAL FUNCTION"
    assert said(bytes.fromhex(pdu), 42) == "exception 42 unknown exception"


@asynccontextmanager
async def refusing(kind: str, code: int) -> AsyncIterator[tuple[ModbusMapper, ModbusPlan]]:
    endpoint = Line(SystemClock()) if kind == "rtu" else TcpPort(SystemClock())
    endpoint.add(1, unit())
    endpoint.units[1].faults = Faults(exception=code)
    await endpoint.open()
    there = serial_device(endpoint.path, BaudRate=115200) if isinstance(endpoint, Line) else device(endpoint.port)
    mapper = ModbusMapper(reach(there)[0], SystemClock())
    await mapper.connect()
    try:
        yield mapper, plan(there, [source(RESOURCES[0])], {})
    finally:
        await mapper.close()
        await endpoint.close()


def files_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def ask(mapper: ModbusMapper, made: ModbusPlan, times: int) -> None:
    for _ in range(times):
        for act in (mapper.read(made), mapper.write(made, {"word": 1})):
            try:
                await act
            except (NoAnswer, DeviceError):
                continue


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
@pytest.mark.parametrize("code", CODES)
async def test_a_thousand_exceptions_leave_nothing_behind(kind: str, code: int) -> None:
    """T17: no task, no file, no memory (node-red#536)."""
    async with refusing(kind, code) as (mapper, made):
        await ask(mapper, made, 50)  # what is kept once is kept now
        gc.collect()
        tasks, files = len(asyncio.all_tasks()), files_open()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        await ask(mapper, made, 500)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert len(asyncio.all_tasks()) == tasks
        assert files_open() == files
        assert grown < 40_000, "bytes kept by a thousand exceptions"
