"""`southgate decode`: every type and byte order of some registers, or the one that fits the device's display."""

import argparse
import asyncio
import re
from typing import Any

from gateway.cli.output import Output
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate decode 17254 3355                  every type and order of two registers
  southgate decode 0x4366 0x0D1B --shown 230.1  which type, order and scale make 230.1 of them
  southgate decode tcp://192.168.1.5:502/1/holding/0?count=2 --shown 230.1     read them from the device
  southgate decode rtu:///dev/ttyUSB0/1/input/52?count=2&baud=9600&parity=E"""
BEST = 5
ADDRESS = re.compile(r"(tcp|rtu)://(.+)/(\d+)/(holding|input)/(\d+)(?:\?(.*))?")
TABLES = {"holding": "HOLDING_REGISTERS", "input": "INPUT_REGISTERS"}

KEYS = {"tcp": ("count", "timeout"), "rtu": ("count", "timeout", "baud", "parity", "stopbits")}
MOST = 125
"""Registers of one request."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("registers", nargs="+", help="register values (decimal or 0x…), or one address to read from")
    parser.add_argument("--shown", metavar="NUMBER", help="the number on the device's display")


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when something was found; 1 when nothing fits the display."""
    from mappers.modbus.discovery.infer import decodings, infer

    table, address, registers = _registers(options.registers)
    output.line(f"registers: {' '.join(f'0x{r:04X}' for r in registers)}")
    try:
        if options.shown is None:
            return _all(decodings(registers), output)
        return _fitting(infer(registers, options.shown), options.shown, (table, address), output)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _all(found: list[Any], output: Output) -> int:
    output.result([{"type": d.value_type, "order": d.order, "rawType": d.raw_type, "value": d.value} for d in found])
    output.table(["READ AS", "REGISTERS", "VALUE"], [[d.name, d.registers, d.value] for d in found])
    return 0


def _fitting(guesses: list[Any], shown: str, place: tuple[str, int], output: Output) -> int:
    output.result(
        [{"readAs": g.decoding.name, "scale": g.scale, "value": g.value, "yaml": g.yaml(*place)} for g in guesses]
    )
    if not guesses:
        output.line(f"nothing fits {shown}. Does the value take more registers, or start at the register before?")
        return 1
    best = guesses[:BEST]
    output.table(["READ AS", "SCALE", "VALUE"], [[g.decoding.name, g.scale, g.value] for g in best])
    output.line()
    output.line("for the profile:")
    output.line(best[0].yaml(*place))
    return 0


def _registers(texts: list[str]) -> tuple[str, int, list[int]]:
    """Table, address and values. Raises ConfigError, NotConnected, NoAnswer, DeviceError."""
    if "://" in texts[0]:
        return asyncio.run(_read(texts[0]))
    return TABLES["holding"], 0, [_register(text) for text in texts]


def _register(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= 0xFFFF:
        raise ConfigError(f"{text}: register values are numbers from 0 to 65535, such as 17254 or 0x4366")
    return value


def _asked(kind: str, query: str | None) -> dict[str, str]:
    """What stands behind the `?` of an address."""
    more = dict(pair.partition("=")[::2] for pair in (query or "").split("&") if pair)
    for key in more:
        if key not in KEYS[kind]:
            raise ConfigError(f"{key}: unknown; behind the ? of {kind}:// may stand {', '.join(KEYS[kind])}")
    count = more.get("count", "2")
    if not (count.isascii() and count.isdigit()) or not 1 <= int(count) <= MOST:
        raise ConfigError(f"count={count}: a number of registers from 1 to {MOST} was expected")
    return more


async def _read(text: str) -> tuple[str, int, list[int]]:
    """Reads the registers of an address through the mapper, as one array resource."""
    from gateway.model.device import Device
    from gateway.model.errors import DeviceError
    from gateway.model.load import profile_from_json
    from gateway.runtime.clock import SystemClock
    from gateway.runtime.sources import sources_of
    from mappers import Switchboard

    found = ADDRESS.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"{text}: an address looks like tcp://192.168.1.5:502/1/holding/0?count=2 (unit 1, register 0)"
        )
    kind, place, unit, table, address, query = found.groups()
    more = _asked(kind, query)
    device = Device(name="decode", profile_name="decode", protocols=_protocol(kind, place, unit, more))
    attributes = {
        "primaryTable": TABLES[table],
        "startingAddress": int(address),
        "arrayLength": int(more.get("count", 2)),
    }
    resource = {"name": "r", "attributes": attributes, "properties": {"valueType": "Uint16Array", "readWrite": "R"}}
    profile = profile_from_json({"name": "decode", "deviceResources": [resource]})
    protocol = Switchboard().of(device)
    source = sources_of(device, profile, protocol.service)["r"]
    mapper = protocol.open(protocol.connection(device), SystemClock())
    try:
        await mapper.connect()
        (event,) = await mapper.read(protocol.plan(device, [source], {}))
    finally:
        await mapper.close()
    if event.values[0] is None:
        raise DeviceError((event.quality or {})[0].code, "the device refused to give these registers", text)
    return TABLES[table], int(address), event.values[0]


def _protocol(kind: str, place: str, unit: str, more: dict[str, str]) -> dict[str, dict[str, Any]]:
    common = {"UnitID": int(unit), "Timeout": more.get("timeout", "1s")}
    if kind == "rtu":
        serial = {"BaudRate": more.get("baud", 9600), "DataBits": 8, "StopBits": more.get("stopbits", 1)}
        return {"modbus-rtu": {"Address": place, "Parity": more.get("parity", "N"), **serial, **common}}
    host, colon, port = place.rpartition(":")
    return {"modbus-tcp": {"Address": host if colon else place, "Port": port if colon else 502, **common}}
