"""How requests on a port or line find their unit, suffer its faults and are answered in order; framed by pymodbus."""

import asyncio
from collections.abc import Callable
from typing import Literal

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError
from simulators.modbus.faults import NONE, Faults
from simulators.modbus.unit import Unit

NO_ANSWER_FROM_TARGET = 11
FRAME_GAP_S = 0.1
"""Silence after which a half-received RTU frame is forgotten (a real device: 3.5 characters)."""
DECODER = DecodePDU(True)
Framer = FramerSocket | FramerRTU


class Endpoint:
    """What units share: a TCP port or a serial line."""

    def __init__(self, clock: Clock, unknown: Literal["silence", "exception"] = "silence") -> None:
        """`unknown`: what a request to a unit that is not there gets."""
        self.clock = clock
        self.unknown = unknown
        self.units: dict[int, Unit] = {}
        self.parts: dict[int, list[Unit]] = {}
        """Further devices behind a unit id, such as the circuits of one meter."""
        self.faults: Faults = NONE
        """Of the port itself; they come before those of its units."""
        self.requests = 0

    def add(self, number: int, unit: Unit) -> None:
        """Devices share a unit id when they have no address in common. Raises ConfigError if the number is taken."""
        first = self.units.setdefault(number, unit)
        if first is unit:
            return
        parts = self.parts.setdefault(number, [])
        if any(unit.overlaps(other) for other in (first, *parts)):
            raise ConfigError(f"unit {number} is on {self.address} twice: give one of the devices another unit")
        parts.append(unit)

    @property
    def address(self) -> str:
        """`127.0.0.1:5020`, `/dev/pts/4`."""
        raise NotImplementedError

    async def open(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        """Idempotent: the port is closed, connections are cut; `open` brings it back with what the units held."""
        raise NotImplementedError

    def answer(self, number: int, pdu: bytes) -> tuple[bytes | None, Faults]:
        """The answer (None: silence) and the faults it suffers."""
        self.requests += 1
        unit = self._unit(number, pdu)
        if unit is None:
            return self._stranger(number, pdu), self.faults
        unit.requests += 1
        port, own = _hit(self.faults, self.requests), _hit(unit.faults, unit.requests)
        holes = (*port.holes, *own.holes)
        faults = own if port is NONE else port
        if faults is NONE:
            return unit.answer(pdu), NONE
        if faults.silence:
            return None, faults
        if faults.exception and not faults.drop:
            return bytes((pdu[0] | 0x80, faults.exception)), faults
        return unit.answer(pdu, holes), faults

    def _unit(self, number: int, pdu: bytes) -> Unit | None:
        """The device that a request is for: of several behind one unit id, the one that has its first address."""
        parts = self.parts.get(number, ())
        return next((part for part in parts if part.has(pdu)), self.units.get(number))

    def _stranger(self, number: int, pdu: bytes) -> bytes | None:
        if number == 0:
            for unit in (*self.units.values(), *(part for parts in self.parts.values() for part in parts)):
                unit.answer(pdu, unit.faults.holes)
            return None
        return bytes((pdu[0] | 0x80, NO_ANSWER_FROM_TARGET)) if self.unknown == "exception" else None


def _hit(faults: Faults, requests: int) -> Faults:
    """What of the faults this request meets."""
    if faults is NONE or requests % faults.every == 0:
        return faults
    return Faults(delay=faults.delay) if faults.delay else NONE


class Channel:
    """One stream of requests: a TCP connection, or a line. Answers go out in order; slow ones one at a time."""

    def __init__(
        self, endpoint: Endpoint, framer: Framer, write: Callable[[bytes], None], cut: Callable[[], None]
    ) -> None:
        self._endpoint = endpoint
        self._framer = framer
        self._rtu = isinstance(framer, FramerRTU)
        self._write = write
        self._cut = cut
        self._buffer = b""
        self._heard = 0.0
        self._slow: asyncio.Queue[tuple[float, bytes]] | None = None
        self._task: asyncio.Task[None] | None = None
        self.closed = False

    def feed(self, data: bytes) -> None:
        """Bytes that came in."""
        if self._rtu:
            now = self._endpoint.clock.monotonic()
            if self._buffer and now - self._heard > FRAME_GAP_S:
                self._buffer = b""
            self._heard = now
        self._buffer += data
        while self._buffer and not self.closed:
            if not self._rtu and self._buffer[2:4].strip(b"\0"):
                self._cut()  # not Modbus: there is no way back into step
                return
            used, number, transaction, pdu = self._framer.decode(self._buffer)
            if not used:
                return
            if self._rtu and pdu and used > len(pdu) + 3:
                used = self._end_of(self._framer.encode(pdu, number, 0))
            self._buffer = self._buffer[used:]
            if pdu:
                self._handle(number, transaction, pdu)

    def _end_of(self, frame: bytes) -> int:
        """pymodbus takes all that lies behind an RTU frame for noise; it may be the next request after a broadcast."""
        return self._buffer.index(frame) + len(frame)

    def _handle(self, number: int, transaction: int, pdu: bytes) -> None:
        answer, faults = self._endpoint.answer(number, pdu)
        if faults is NONE and self._slow is None:
            if answer is not None:
                self._write(self._framer.encode(answer, number, transaction))
            return
        if faults.drop:
            self._cut()
            return
        if answer is None:
            return
        frame = self._framer.encode(answer, number + faults.wrong_unit & 0xFF, transaction)
        if faults.garbage:
            frame = bytes(byte ^ 0xA5 for byte in frame)
        self._send_slowly(faults.delay, frame)

    def _send_slowly(self, delay: float, frame: bytes) -> None:
        if self._slow is None:
            if not delay:
                self._write(frame)
                return
            self._slow = asyncio.Queue()
            self._task = asyncio.get_running_loop().create_task(self._drain(self._slow))
        self._slow.put_nowait((delay, frame))

    async def _drain(self, slow: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            delay, frame = await slow.get()
            if delay:
                await self._endpoint.clock.sleep(delay)
            self._write(frame)

    def close(self) -> None:
        """Ends the channel; idempotent."""
        self.closed = True
        if self._task:
            self._task.cancel()
            self._task = None
