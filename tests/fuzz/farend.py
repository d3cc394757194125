"""The whole mapper over a wire whose far end does whatever a fuzzer says; a value must have come in a right frame."""

import asyncio
import heapq
import struct
from functools import lru_cache
from typing import Any

from gateway.model.device import Device
from gateway.model.errors import DeviceError, NoAnswer, NotConnected
from gateway.model.plan import Connection
from gateway.model.reading import Event
from mappers.modbus.line.connection import reach
from mappers.modbus.line.wire import Wire
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import ModbusPlan, plan
from tests.fuzz.frames import framed, unframed
from tests.fuzz.script import Script
from tests.support.clock import MovingClock
from tests.unit.mappers.modbus.build import resource, source

UNIT = 5
TIMEOUT_S = 0.5
TURNS = 8
MOST_STEPS = 400
"""Steps of the clock for one request; more is a hang."""
Act = asyncio.Task[Any]


class _FarEnd(asyncio.Transport):
    """Bytes that were sent, since the last look."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed, "written to a connection that is closed"
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed


class _Wire(Wire):
    """Opens far ends."""

    far: _FarEnd

    def _new_client(self) -> Any:
        client = super()._new_client()
        if self._port is not None:
            self._port.release()
            self._port = None

        async def create() -> Any:
            self.far = _FarEnd()
            client.ctx.connection_made(self.far)
            return self.far, client.ctx

        client.ctx.call_create = create
        self.protocol = client.ctx
        return client


def device(framing: str) -> Device:
    own = {"UnitID": UNIT, "Timeout": f"{TIMEOUT_S}s"}
    if framing == "tcp":
        protocols = {"modbus-tcp": {"Address": "127.0.0.1", **own}}
    else:
        protocols = {f"modbus-{framing}": {"Address": "/dev/null", "BaudRate": 115200, "Parity": "N", **own}}
    return Device.model_validate({"name": "d", "profileName": "p", "protocols": protocols})


@lru_cache
def _planned(framing: str) -> tuple[Connection, ModbusPlan, ModbusPlan]:
    there = device(framing)
    words = [resource(f"r{i}", "Uint16", i) for i in range(4)]
    bits = [resource(f"c{i}", "Bool", i, "COILS") for i in range(9)]
    return reach(there)[0], plan(there, [source(*words)], {}), plan(there, [source(*bits)], {})


class _Clock(MovingClock):
    """Turns the loop as often as this needs: a fuzzer has no time."""

    async def advance(self, seconds: float) -> None:
        target = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= target + 1e-9:
            due, _, future = heapq.heappop(self._sleepers)
            self._move_to(max(due, self._monotonic))
            if not future.done():
                future.set_result(None)
                await _turns()
        self._move_to(target)
        await _turns()


class Talk:
    """One connection: reads and writes, and what is delivered meanwhile."""

    def __init__(self, framing: str, script: Script) -> None:
        self.framing, self.script = framing, script
        self.clock = _Clock()
        connection, self.words, self.bits = _planned(framing)
        self.mapper = ModbusMapper(connection, self.clock)
        self.wire = self.mapper._wire = _Wire(connection, self.clock)
        self.request = b""
        self.heard = b""
        """Since the request was sent."""
        self.last = b""
        self.requests = 0
        """Of this act; a refused one is asked again in parts."""

    async def run(self) -> None:
        """As long as there is script; at most six acts."""
        await self.mapper.connect()
        for _ in range(6):
            if not self.script:
                break
            if not self.wire.up:
                await self.mapper.connect()
            await self._act(self.script.below(4))
        await self.mapper.close()
        await _turns()

    async def _act(self, kind: int) -> None:
        reads = self.bits if kind == 1 else self.words
        value = self.script.byte()
        self.requests = 0
        work = self.mapper.write(self.words, {"r1": value}) if kind == 2 else self.mapper.read(reads)
        task: Act = asyncio.create_task(work)
        await self._converse(task)
        try:
            found = task.result()
        except (NoAnswer, NotConnected, DeviceError):
            return
        if kind == 2:
            self._check_write()
        else:
            self._check_read(reads, found)

    async def _converse(self, task: Act) -> None:
        """Plays the script until the act is over; then time goes by."""
        for _ in range(MOST_STEPS):
            await _turns()
            self._look()
            if task.done():
                return
            if self.script:
                await self._play(self.script.below(10))
            else:
                await self._pass(TIMEOUT_S)
        task.cancel()
        raise AssertionError("the request does not end")

    def _look(self) -> None:
        if self.wire.far.sent:
            (self.request,) = self.wire.far.sent
            self.wire.far.sent.clear()
            self.requests += 1
            self.heard = b""

    async def _play(self, choice: int) -> None:
        script, right = self.script, self._right()
        if choice == 0:
            self._deliver(script.take(script.below(40)))
        elif choice == 1:
            self._deliver(right)
        elif choice == 2:
            cut = script.below(len(right) + 1)
            self._deliver(right[:cut])
            self._deliver(right[cut:] if script.byte() & 1 else b"")
        elif choice == 3:
            at = script.below(len(right))
            self._deliver(right[:at] + bytes((right[at] ^ (script.byte() or 1),)) + right[at + 1 :])
        elif choice == 4:
            self._deliver(self._answer(script.take(script.below(12)), script.byte(), script.byte()))
        elif choice == 5:
            self._deliver(self._answer(bytes((self._function() | 0x80, script.byte()))))
        elif choice == 6:
            self._deliver(self.last + right)
        elif choice == 7:
            await self._pass(script.below(70) / 100)
        elif choice == 8 and not self.wire.far.closed:
            self.wire.protocol.connection_lost(None)
        elif choice == 9:
            self._deliver(script.take(script.below(5)) * (script.word() % 700))

    def _deliver(self, data: bytes) -> None:
        if data and not self.wire.far.closed:
            self.heard += data
            self.wire.protocol.data_received(data)

    async def _pass(self, seconds: float) -> None:
        """Time goes by; what the wire sends meanwhile is seen before anything is delivered."""
        target = self.clock.monotonic() + seconds
        while (sleepers := self.clock._sleepers) and sleepers[0][0] <= target:
            await self.clock.advance(max(0.0, sleepers[0][0] - self.clock.monotonic()))
            self._look()
        await self.clock.advance(max(0.0, target - self.clock.monotonic()))

    # ------------------------------------------------------------------------------------------------------ answers

    def _function(self) -> int:
        return unframed(self.framing, self.request)[2][0]

    def _right(self) -> bytes:
        """A right answer to the request, with values of the script."""
        pdu = unframed(self.framing, self.request)[2]
        if pdu[0] in (6, 16):
            self.last = self._answer(pdu[:5])
            return self.last
        count = int.from_bytes(pdu[3:5])
        size = -(-count // 8) if pdu[0] == 1 else 2 * count
        self.last = self._answer(bytes((pdu[0], size)) + self.script.take(size))
        return self.last

    def _answer(self, pdu: bytes, unit: int = 0, transaction: int = 0) -> bytes:
        """`unit` and `transaction`: how far from the right ones."""
        number = unframed(self.framing, self.request)[0]
        return framed(self.framing, UNIT + unit & 0xFF, pdu, number + transaction & 0xFFFF)

    # ------------------------------------------------------------------------------------------------------- checks

    def _came(self, *pdus: bytes) -> bool:
        """Whether one of these PDUs came in a whole frame of this unit and request."""
        number, unit, _ = unframed(self.framing, self.request)
        heard = self.heard.upper() if self.framing == "ascii" else self.heard
        return any(framed(self.framing, unit, pdu, number) in heard for pdu in pdus)

    def _check_read(self, made: ModbusPlan, events: list[Event]) -> None:
        """Reads of one request have all values or none."""
        (event,) = events
        quality = event.quality or {}
        assert all((value is None) == (at in quality) for at, value in enumerate(event.values))
        if quality:
            assert all(q.level == "bad" and q.reason in ("refused", "device", "timeout") for q in quality.values())
            return
        if self.requests > 1:
            return  # put together of several answers; the target `answers` looks at those
        if made is self.words:
            assert self._came(struct.pack(">BB4H", 3, 8, *event.values)), f"{event.values} never came"
            return
        number = sum(bit << at for at, bit in enumerate(event.values))
        beyond = [(number | more << 9).to_bytes(2, "little") for more in range(128)]  # bits nobody asked for
        assert self._came(*(b"\x01\x02" + bits for bits in beyond)), f"{event.values} never came"

    def _check_write(self) -> None:
        pdu = unframed(self.framing, self.request)[2]
        assert self._came(pdu, bytes((pdu[0] | 0x80, 5))), "nobody took the write"


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
