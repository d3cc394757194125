"""Wrong settings, wrong wires, wrong registers: for each a sentence that says what is wrong and what to try, for that
device alone. Nobody can hear a wrong baud rate on a pty: there a peer sends the bytes that one makes of an answer."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pymodbus.framer.ascii import FramerAscii

from mappers.modbus.line.frames import Decoder
from simulators.world import Running, World, serve
from tests.support.house import Gateway, house
from tests.support.ports import free_port
from tests.unit.mappers.modbus.line.test_porttrouble import holding
from tests.unit.mappers.modbus.line.test_rtu import Line, framed, good, held
from tests.unit.mappers.modbus.peer import peer

WORLD = """
devices:
  - { profile: xy-md02, name: neighbour, autoEvents: { Climate: 200ms } }
  - { profile: xy-md02, name: no-register, autoEvents: { Climate: 200ms } }
  - { profile: xy-md02, name: no-function, autoEvents: { Climate: 200ms } }
  - { profile: xy-md02, name: no-answer, autoEvents: { Climate: 200ms } }
"""
GARBLED = b"\xf8\x00\xe7\x1c" * 5
SENTENCES = {
    "baud-of-all": "what came is no frame: wrong baud rate, parity or stop bits, or two masters or devices talk at "
    "once",
    "baud-of-one": "what came is no frame, and others here answer well: its baud rate or parity is another, or two "
    "devices have this unit id",
    "no-such-unit": "nothing at all was heard, and others here answer: look at the unit id, and whether it has power",
    "dead-line": "nothing at all was heard: look at the unit id, at baud rate and parity, and at the wires (A and B "
    "swapped?)",
    "two-masters": "another master is on the line, it asks unit 7: a serial line has one; stop the other",
    "echo": "only our own request came back: the adapter echoes what it sends; switch that off",
    "other-unit": "unit 7 answered in its place: that may be its unit id, or another master asks that one",
    "ascii": "it speaks Modbus ASCII: write modbus-ascii instead of modbus-rtu",
    "busy-port": "A serial line has one owner: stop the other program",
    "same-port": "this is the same port as",
    "no-port": "there is no such port: is it plugged in?",
    "no-adapter": "no serial adapter ffff:6001 is plugged in",
    "no-serial-port": "this is not a serial port",
    "rtu-over-tcp": "it answers in RTU frames: write Framing: rtu",
    "tcp-not-rtu": "it answers in Modbus TCP frames: leave Framing: rtu out",
    "web-page": "it says 'HTTP/1.1 400 Bad': this may not be the port for Modbus",
    "refused": "Connection refused: nothing listens there; look at address and port",
    "no-answer": "nothing at all was heard: look at the unit id; a plain serial server wants Framing: rtu",
    "no-register": "refused 2; ILLEGAL DATA ADDRESS: there is no such register; look at startingAddress, addressBase "
    "and primaryTable",
    "no-function": "refused 1; ILLEGAL FUNCTION: it does not read this table; look at primaryTable",
}
WELL = ("neighbour", "on-the-line")


async def test_each_says_what_is_wrong_and_what_to_try_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(serve(World.from_file(tmp_path / "world.yaml")))
        gateway = await stack.enter_async_context(house(tmp_path, world, start=False))
        profile = world.devices["neighbour"].profile.name
        devices = [*await _on_lines(stack), *await _over_tcp(stack)]
        for device in devices:
            device |= {"profileName": profile, "autoEvents": [{"sourceName": "Climate", "interval": "200ms"}]}
        (gateway.folder / "devices" / "wrong.yaml").write_text(yaml.safe_dump({"deviceList": devices}))
        world.fault("no-register", exception=2)
        world.fault("no-function", exception=1)
        world.fault("no-answer", silence=True)
        await gateway.start()
        for name, sentence in SENTENCES.items():
            await gateway.until_reason(name, sentence)
        for name in WELL:
            await gateway.until_state(name, "online")
        problems = (await gateway.ask("GET", "/gateway/api/v1/health")).json()["problems"]
        assert sorted(text.split(" is ")[0] for text in problems) == sorted(SENTENCES)
        before = {name: (await gateway.flow(name))["reads"] for name in WELL}
        for name in WELL:
            await gateway.until(partial(_goes_on, gateway, name, before[name]))
            assert (await gateway.flow(name))["failures"] == 0
        await _commands(gateway, world)


async def _goes_on(gateway: Gateway, name: str, before: int) -> bool:
    return bool((await gateway.flow(name))["reads"] >= before + 5)


async def _commands(gateway: Gateway, world: Running) -> None:
    """What is said at once to who reads or writes."""
    above = await gateway.cli("write", "neighbour", "TemperatureCorrection=11")
    assert "rejected (422)" in above.out
    assert "out of maximum value 10" in above.out
    world.fault("neighbour", exception=3)
    refused = await gateway.cli("write", "neighbour", "TemperatureCorrection=1")
    assert "exception 3 ILLEGAL DATA VALUE; it does not take this value; look at its range" in refused.out
    absent = await gateway.cli("read", "no-register", "Temperature")
    assert "refused 2; ILLEGAL DATA ADDRESS: there is no such register; look at startingAddress" in absent.err
    busy = await gateway.cli("read", "busy-port", "Temperature")
    assert "in use by mbpoll (process " in busy.err


Device = dict[str, Any]


def _serial(name: str, address: str | Line, unit: int = 1) -> Device:
    path = address if isinstance(address, str) else address.path
    given = {"Address": path, "BaudRate": 9600, "Parity": "N", "UnitID": unit, "Timeout": "400ms"}
    return {"name": name, "protocols": {"modbus-rtu": given}}


async def _on_lines(stack: AsyncExitStack) -> list[Device]:
    async def line(answer: Callable[[int, bytes], list[bytes | float]]) -> Line:
        made = Line(answer)
        made.start()
        stack.push_async_callback(made.stop)
        return made

    def mixed(unit: int, pdu: bytes) -> list[bytes | float]:
        return {1: [GARBLED], 2: good(unit, pdu)}.get(unit, [])

    shared = await line(mixed)
    taken = await line(good)
    await stack.enter_async_context(holding(taken.path))
    return [
        _serial("on-the-line", shared, 2),
        _serial("baud-of-one", shared),
        _serial("no-such-unit", shared, 3),
        _serial("baud-of-all", await line(lambda unit, pdu: [GARBLED])),
        _serial("dead-line", await line(lambda unit, pdu: [])),
        _serial("two-masters", await line(lambda unit, pdu: [framed(7, pdu), 0.02, framed(7, held(pdu, 1))])),
        _serial("echo", await line(lambda unit, pdu: [framed(unit, pdu)])),
        _serial("other-unit", await line(lambda unit, pdu: [framed(7, held(pdu, 1))])),
        _serial("ascii", await line(lambda unit, pdu: [FramerAscii(Decoder(False)).encode(held(pdu, 1), 1, 0)])),
        _serial("busy-port", taken),
        _serial("same-port", f"/proc/self/../../{shared.path}"),
        _serial("no-port", "/dev/ttyUSB99"),
        _serial("no-adapter", "usb:ffff:6001"),
        _serial("no-serial-port", "/dev/null"),
    ]


async def _over_tcp(stack: AsyncExitStack) -> list[Device]:
    async def port(answer: Callable[[bytes], bytes]) -> int:
        return (await stack.enter_async_context(peer(answer))).port

    def host(name: str, at: int, **more: Any) -> Device:
        given = {"Address": "127.0.0.1", "Port": at, "UnitID": 1, "Timeout": "400ms", **more}
        return {"name": name, "protocols": {"modbus-tcp": given}}

    async def serve_tcp_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes whatever comes and answers to it in Modbus TCP frames."""
        while await reader.read(300):
            writer.write(b"\0\1\0\0\0\5\1\4\2\0\7")
        writer.close()

    server = await asyncio.start_server(serve_tcp_only, "127.0.0.1", 0)
    stack.push_async_callback(server.wait_closed)
    stack.callback(server.close)
    return [
        host("rtu-over-tcp", await port(lambda request: framed(request[6], held(request[7:], 5)))),
        host("tcp-not-rtu", server.sockets[0].getsockname()[1], Framing="rtu"),
        host("web-page", await port(lambda request: b"HTTP/1.1 400 Bad\r\n\r\n")),
        host("refused", free_port()),
    ]
