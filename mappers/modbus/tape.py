"""A recorded connection instead of a wire: pymodbus, the framing and everything above it are the ones that run."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError, EndOfRecording, NoAnswer
from gateway.model.plan import Connection
from gateway.model.recording import Frame
from mappers.modbus.address import Table
from mappers.modbus.line.connection import Serial
from mappers.modbus.line.wire import Wire
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import ModbusPlan

JUST_IN_TIME = 0.999
"""Of the time-out: what came while somebody waited comes then at the latest, however late a busy gateway noticed it."""
Asked = tuple[int, bytes]
"""Unit and PDU."""


@dataclass(slots=True)
class Exchange:
    """One request and what happened until the next one."""

    place: int
    """In the recording."""
    at: float
    """Seconds after the start."""
    number: int
    """The transaction's."""
    asked: Asked
    after: list[Frame] = field(default_factory=list)
    taken: bool = False

    @property
    def patience(self) -> float:
        """Seconds after which nobody waited any more; infinite where somebody did. Probes wait shorter than polls."""
        return next((frame.at - self.at for frame in self.after if frame.kind == "gave_up"), math.inf)


class Exchanges:
    """All of a recording. They are taken in its order, each once: what was passed over does not come again, so that a
    poll has no answers of the one before."""

    def __init__(self, frames: Iterable[Frame], framing: str) -> None:
        """`framing`: until the recording says another. Raises ConfigError."""
        self.missing: list[str] = []
        self._framings: list[str] = []
        self._all: list[Exchange] = []
        for frame in frames:
            if frame.kind == "framing":
                self._framings.append(framing := frame.value)
            elif frame.kind == "sent":
                self._all.append(_exchange(len(self._all), frame, framing))
            elif self._all:
                self._all[-1].after.append(frame)
        self._taken = -1
        """The place of the last that was taken."""
        self._places: dict[Asked, deque[Exchange]] = {}
        for one in self._all:
            self._places.setdefault(one.asked, deque()).append(one)

    @property
    def known(self) -> str | None:
        """The framing that was spoken from the start; None: it was found while this was recorded."""
        first = next(iter(self._framings), None)
        return None if first == "tcp" and set(self._framings) != {"tcp"} else first

    def next(self, asked: Asked) -> float | None:
        """When the next of these was sent."""
        there = self._ahead(asked)
        return there[0].at if there else None

    def take(self, asked: Asked) -> Exchange:
        """The next of these. Raises NoAnswer when there never was one, EndOfRecording when there is none left."""
        there = self._ahead(asked)
        if there is None:
            text = words(asked)
            if text not in self.missing:
                self.missing.append(text)
            raise NoAnswer(f"{text}: not in the recording")
        if not there:
            raise EndOfRecording(f"{words(asked)}: the recording has no more answers to it")
        one = there.popleft()
        one.taken = True
        self._taken = one.place
        return one

    def _ahead(self, asked: Asked) -> deque[Exchange] | None:
        there = self._places.get(asked)
        while there and there[0].place < self._taken:
            there.popleft()
        return there

    def ends_with(self, one: Exchange) -> bool:
        """Whether the recording ends before it is known how this went on."""
        return one is self._all[-1] and one.patience == math.inf

    @property
    def left(self) -> list[str]:
        return [words(one.asked) for one in self._all if not one.taken]


def words(asked: Asked) -> str:
    """`unit 1, FC3 holding registers 0-99`."""
    unit, pdu = asked
    table = next((table for table in Table if pdu and table.function == pdu[0]), None)
    if table is None or len(pdu) != 5:
        return f"unit {unit}, FC{pdu[0] if pdu else '?'} {pdu[1:].hex(' ')}"
    start, count = int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:])
    return f"unit {unit}, FC{pdu[0]} {table.text} {start}{f'-{start + count - 1}' if count > 1 else ''}"


def _exchange(place: int, frame: Frame, framing: str) -> Exchange:
    """Takes our own frame apart: the unit, the PDU, and with Modbus TCP the number that the answer carries, too."""
    data, number = frame.value, 0
    try:
        if framing == "tcp":
            number, asked = int.from_bytes(data[:2]), (data[6], data[7:])
        elif framing == "rtu":
            asked = data[0], data[1:-2]
        elif framing == "ascii":
            spelt = bytes.fromhex(data[1:-2].decode())
            asked = spelt[0], spelt[1:-1]
        else:
            raise ConfigError(f"line {frame.line}: framing {framing[:20]!r}; tcp, rtu and ascii are spoken here")
        if not asked[1]:
            raise ValueError
    except (IndexError, ValueError):
        raise ConfigError(f"line {frame.line}: what was sent is no {framing} frame of Modbus") from None
    return Exchange(place, frame.at, number, asked)


class _Transport(asyncio.Transport):
    """What pymodbus writes to."""

    def __init__(self, written: Callable[["_Transport"], None]) -> None:
        super().__init__()
        self._written = written

    def write(self, data: Any) -> None:  # noqa: ARG002  the recording knows what was sent
        self._written(self)

    def close(self) -> None:
        """Nothing is open."""


class TapeWire(Wire):
    """Opens nothing; what is sent is answered as it was then."""

    def __init__(self, connection: Connection, clock: Clock, exchanges: Exchanges) -> None:
        known = exchanges.known
        super().__init__(connection, clock, {connection.key: known} if known else {})
        self._exchanges = exchanges
        self._pending: tuple[Exchange, float] | None = None

    def _new_client(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        client = super()._new_client()

        async def create() -> Any:
            transport = _Transport(lambda one: self._answer(client.ctx, one))
            client.ctx.connection_made(transport)
            return transport, client.ctx

        client.ctx.call_create = create
        return client

    def _take_port(self, line: Serial) -> str:
        return line.address

    async def _ask(self, unit: int, pdu: bytes, timeout: float) -> bytes:
        exchange = self._exchanges.take((unit, pdu))
        if not self.up:
            await self.connect()
        assert self._client is not None
        await self._clock.sleep(max(0.0, exchange.at - self._clock.monotonic()))
        self._client.ctx.next_tid = exchange.number - 1
        timeout = min(timeout, exchange.patience)
        self._pending = exchange, timeout
        try:
            return await super()._ask(unit, pdu, timeout)
        except NoAnswer:
            if self._exchanges.ends_with(exchange):
                raise EndOfRecording("the recording ends before the answer came") from None
            raise

    def _answer(self, ctx: Any, transport: _Transport) -> None:
        """Everything that came after the request comes again, after the same time."""
        assert self._pending is not None
        exchange, timeout = self._pending
        loop, waiting = asyncio.get_running_loop(), True
        for frame in exchange.after:
            delay = frame.at - exchange.at
            waiting = waiting and frame.kind != "gave_up"
            if frame.kind in ("heard", "closed"):
                late = min(delay, JUST_IN_TIME * timeout) if waiting else delay
                loop.call_later(late, _happens, ctx, transport, frame)


def _happens(ctx: Any, transport: _Transport, frame: Frame) -> None:
    if ctx.transport is not transport:
        return
    if frame.kind == "heard":
        ctx.data_received(frame.value)
    else:
        ctx.connection_lost(None)


class ModbusTape(ModbusMapper):
    """Fulfils `gateway.model.contracts.Tape`."""

    def __init__(self, connection: Connection, clock: Clock, frames: Sequence[Frame]) -> None:
        """Raises ConfigError."""
        settings: Any = connection.settings
        self._exchanges = Exchanges(frames, "tcp" if settings.framing == "auto" else settings.framing)
        super().__init__(connection, clock, TapeWire(connection, clock, self._exchanges))

    @property
    def missing(self) -> Sequence[str]:
        """See `Tape.missing`."""
        return self._exchanges.missing

    @property
    def left(self) -> Sequence[str]:
        """See `Tape.left`."""
        return self._exchanges.left

    def next(self, plan: ModbusPlan) -> float | None:
        """See `Tape.next`."""
        return self._exchanges.next((plan.to.id, plan.blocks[0].request.pdu)) if plan.blocks else None
