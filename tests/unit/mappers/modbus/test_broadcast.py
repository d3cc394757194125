"""UnitID 0 on a line: everybody carries it out and nobody answers. And every other unit id, on every framing."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.model.device import Device
from gateway.model.errors import CommandRejected, NotConnected
from gateway.model.load import profile_from_json
from gateway.runtime.clock import SystemClock
from mappers.modbus import Modbus
from mappers.modbus.line.connection import BROADCAST, reach
from mappers.modbus.line.wire import TURNAROUND_S
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import ModbusPlan, plan
from simulators.modbus.unit import Unit
from simulators.modbus.wire import Line, TcpPort
from tests.unit.mappers.modbus.build import device, resource, serial_device, source
from tests.unit.mappers.modbus.line.test_rtu import framed, held, talking
from tests.unit.mappers.modbus.line.test_rtu import good as good_answer

RESOURCES = (
    resource("word", "Uint16", 10),
    resource("long", "Int32", 20),
    resource("coil", "Bool", 3, "COILS", writeFunction=5),
    resource("coils", "BoolArray", 8, "COILS", arrayLength=10),
    resource("bit", "Bool", "30.4", writeFunction=22),
)
VALUES = {"word": 7, "long": -2, "coil": True, "coils": [True, False] * 5, "bit": True}
PROFILE = profile_from_json(
    {"name": "p", "deviceResources": [r.model_dump(mode="json", by_alias=True, exclude_none=True) for r in RESOURCES]}
)


def plans(there: Device) -> ModbusPlan:
    return plan(there, [source(*RESOURCES)], {})


def unit() -> Unit:
    return Unit(PROFILE, SystemClock(), seed=1)


@asynccontextmanager
async def open_(endpoint: Line | TcpPort, there: Device) -> AsyncIterator[Any]:
    mapper = ModbusMapper(reach(there)[0], SystemClock())
    try:
        await mapper.connect()
        yield mapper
    finally:
        await mapper.close()
        await endpoint.close()


async def test_every_function_reaches_every_unit_of_a_serial_line() -> None:
    """Ask 15: functions 5, 6, 15, 16 and 22."""
    line = Line(SystemClock())
    for number in (1, 2, 247):
        line.add(number, unit())
    await line.open()
    everybody, one = serial_device(line.path, 0, BaudRate=115200), serial_device(line.path, 247, BaudRate=115200)
    async with open_(line, everybody) as mapper:
        await mapper.write(plans(everybody), VALUES)
        assert (await mapper.read(plans(one)))[0].values == list(VALUES.values())
    for held_by in line.units.values():
        assert {name: held_by.get(name) for name in VALUES} == VALUES


async def test_every_unit_behind_a_converter_hears_it() -> None:
    port = TcpPort(SystemClock(), rtu=True)
    for number in (1, 9):
        port.add(number, unit())
    await port.open()
    everybody = device(port.port, 0, Framing="rtu")
    async with open_(port, everybody) as mapper:
        await mapper.write(plans(everybody), {"word": 0xBEEF})
        assert (await mapper.read(plans(device(port.port, 9, Framing="rtu"))))[0].values[0] == 0xBEEF
    assert [held_by.get("word") for held_by in port.units.values()] == [0xBEEF] * 2


@pytest.mark.parametrize("rtu", [False, True], ids=["Modbus TCP", "RTU over TCP"])
async def test_every_unit_id_is_asked_by_its_own_number(rtu: bool) -> None:
    """Ask 15: the whole range; on Modbus TCP 0 and 255 are units like any other."""
    port = TcpPort(SystemClock(), rtu=rtu)
    numbers = range(1 if rtu else 0, 256)
    for number in numbers:
        port.add(number, unit())
    await port.open()
    framing = {"Framing": "rtu" if rtu else "tcp"}
    async with open_(port, device(port.port, 1, **framing)) as mapper:
        for number in numbers:
            there = plans(device(port.port, number, **framing))
            await mapper.write(there, {"word": 256 + number})
            assert (await mapper.read(there))[0].values[0] == 256 + number
    assert [port.units[number].get("word") for number in numbers] == [256 + number for number in numbers]


async def test_the_line_is_left_alone_for_the_turnaround_and_who_answers_all_the_same_is_not_the_next_one() -> None:
    heard: list[tuple[int, float]] = []

    def answer(number: int, pdu: bytes) -> list[bytes | float]:
        heard.append((number, time.monotonic()))
        return [framed(1, held(bytes((3, 0, 0, 0, 3)), 0xDEAD))] if number == 0 else good_answer(number, pdu)

    async with talking(answer) as (line, mapper, plan_of):
        for _ in range(3):
            await mapper.write(plan_of(0), {"r1": 5})
            assert (await mapper.read(plan_of(1)))[0].values == [1] * 3
        assert line.requests[0][:6] == bytes.fromhex("00 06 00 01 00 05")
        told, asked = heard[0], heard[1]
        assert (told[0], asked[0]) == (0, 1)
        assert asked[1] - told[1] >= TURNAROUND_S * 0.9


async def test_nothing_is_read_there() -> None:
    async with talking(good_answer) as (line, mapper, plan_of):
        with pytest.raises(CommandRejected, match="broadcast address") as refusal:
            await mapper.read(plan_of(0))
        assert refusal.value.code == 405
        assert line.requests == []


async def test_a_bit_that_needs_a_read_is_refused_before_anything_is_sent() -> None:
    async with talking(good_answer) as (line, mapper, _):
        there = serial_device(line.path, 0)
        made = plan(there, [source(resource("word", "Uint16", 1), resource("bit", "Bool", "30.4"))], {})
        with pytest.raises(CommandRejected, match=r"bit: .*writeFunction: 22"):
            await mapper.write(made, {"word": 1, "bit": True})
        assert line.requests == []


async def test_without_a_connection_nothing_is_called_sent() -> None:
    async with talking(good_answer) as (_, mapper, plan_of):
        await mapper.close()
        with pytest.raises(NotConnected):
            await mapper.write(plan_of(0), {"r1": 5})


def test_what_is_said_of_such_a_device() -> None:
    protocol = Modbus()
    assert protocol.mute(serial_device(unit=0)) == BROADCAST
    assert protocol.mute(device(unit=0)) == protocol.mute(serial_device(unit=1)) == ""
    profile = profile_from_json(
        {"name": "p", "deviceResources": [resource("bit", "Bool", "30.4").model_dump(mode="json", by_alias=True)]}
    )
    (warning,) = protocol.check(profile, serial_device(unit=0))
    assert (warning.severity, warning.where) == ("warning", "deviceResources[0].attributes.writeFunction")
    assert protocol.check(profile, serial_device(unit=1)) == []
