"""libmodbus as the device: an implementation that shares nothing with ours nor with pymodbus."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.model.errors import DeviceError
from gateway.model.reading import refused
from gateway.runtime.clock import SystemClock
from mappers.modbus.line.connection import reach
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import plan
from tests.support.libmodbus import build
from tests.support.peers import need
from tests.support.ports import free_port
from tests.unit.mappers.modbus.build import device, resource, serial_device, source


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("libmodbus"))


@pytest_asyncio.fixture
async def port(program: Path) -> AsyncIterator[int]:
    number = free_port()
    server = await asyncio.create_subprocess_exec(program, str(number), stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    assert await server.stdout.readline() == b"ready\n"
    yield number
    server.kill()
    await server.wait()


async def exchange(port: int, resources: list[Any], writes: dict[str, Any]) -> Any:
    mapper = ModbusMapper(reach(device(port))[0], SystemClock())
    await mapper.connect()
    try:
        made = plan(device(port), [source(*resources)], {})
        if writes:
            await mapper.write(made, writes)
        return (await mapper.read(made))[0]
    finally:
        await mapper.close()


async def test_every_table_and_a_full_block(port: int) -> None:
    resources = [
        *(resource(f"h{i}", "Uint16", i) for i in range(300)),
        *(resource(f"i{i}", "Uint16", i, "INPUT_REGISTERS") for i in range(125)),
        *(resource(f"c{i}", "Bool", i, "COILS") for i in range(2000)),
        *(resource(f"d{i}", "Bool", i, "DISCRETES_INPUT") for i in range(3, 20)),
    ]
    event = await exchange(port, resources, {})
    assert event.quality is None
    expected: list[Any] = [*range(300), *range(1000, 1125), *(i % 3 == 0 for i in range(2000))]
    assert event.values == [*expected, *(i % 5 == 0 for i in range(3, 20))]


async def test_a_float_that_a_c_compiler_made(port: int) -> None:
    resources = [resource("high", "Float32", 500), resource("low", "Float32", 502, byteOrder="CDAB")]
    assert (await exchange(port, resources, {})).values == [123.45600128173828] * 2


async def test_writes_with_every_function(port: int) -> None:
    wishes = {
        "fc5": (resource("fc5", "Bool", 1, "COILS", writeFunction=5), True),
        "fc15": (resource("fc15", "BoolArray", 10, "COILS", arrayLength=12), [True, False, True] * 4),
        "fc6": (resource("fc6", "Int16", 20), -7),
        "fc16": (resource("fc16", "Int64", 21), -(2**63)),
        "fc22": (resource("fc22", "Bool", "30.9", writeFunction=22), True),
        "merge": (resource("merge", "Bool", "31.0"), False),
        "text": (resource("text", "String", 40, stringRegisterSize=5), "Zähler 1"),
    }
    event = await exchange(port, [r for r, _ in wishes.values()], {name: value for name, (_, value) in wishes.items()})
    assert event.values == [value for _, value in wishes.values()]
    words = await exchange(port, [resource("a", "Uint16", 30), resource("b", "Uint16", 31)], {})
    assert words.values == [30 | 1 << 9, 30]


async def test_addresses_that_are_not_there(port: int) -> None:
    event = await exchange(port, [resource("there", "Uint16", 1999), resource("not", "Uint16", 2000, barrier=True)], {})
    assert event.values == [1999, None]
    assert event.quality == {1: refused("2")}
    with pytest.raises(DeviceError, match="exception 2 ILLEGAL DATA ADDRESS"):
        await exchange(port, [resource("not", "Uint16", 2000)], {"not": 1})


@pytest.mark.parametrize("over_tcp", [False, True], ids=["serial line", "RTU frames over TCP"])
async def test_on_a_serial_line_and_behind_a_converter(program: Path, tmp_path: Path, over_tcp: bool) -> None:
    """The converter is socat: it hands bytes on and knows no frames."""
    number, ends = free_port(), (tmp_path / "a", tmp_path / "b")
    here = f"tcp-listen:{number},bind=127.0.0.1,reuseaddr" if over_tcp else f"pty,raw,echo=0,link={ends[1]}"
    cable = await asyncio.create_subprocess_exec(need("socat"), f"pty,raw,echo=0,link={ends[0]}", here)
    try:
        async with asyncio.timeout(10):
            while not all(end.exists() for end in ends[: 1 if over_tcp else 2]):  # noqa: ASYNC110  socat tells nobody
                await asyncio.sleep(0.01)
        server = await asyncio.create_subprocess_exec(program, str(ends[0]), stdout=asyncio.subprocess.PIPE)
        assert server.stdout is not None
        assert await server.stdout.readline() == b"ready\n"
        there = device(number, 17, Framing="rtu") if over_tcp else serial_device(str(ends[1]), 17, BaudRate=19200)
        mapper = ModbusMapper(reach(there)[0], SystemClock())
        await mapper.connect()
        made = plan(there, [source(*(resource(f"r{i}", "Uint16", i) for i in range(200)))], {})
        assert (await mapper.read(made))[0].values == list(range(200))
        await mapper.write(made, {"r3": 0xFFFF})
        assert (await mapper.read(made))[0].values[3] == 0xFFFF
        await mapper.close()
        server.kill()
        await server.wait()
    finally:
        if cable.returncode is None:
            cable.terminate()
        await cable.wait()
