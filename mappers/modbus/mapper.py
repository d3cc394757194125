"""Modbus over one connection: read a plan's blocks, write a source's values."""

from collections.abc import Mapping
from typing import Any

from gateway.model.contracts import Clock
from gateway.model.errors import DeviceError, NoAnswer
from gateway.model.plan import Connection
from gateway.model.reading import TIMEOUT, Event, Quality, refused
from mappers.modbus.connection import Unit
from mappers.modbus.plan import Block, ModbusPlan
from mappers.modbus.point import Point
from mappers.modbus.wire import Wire
from mappers.modbus.writes import read_of, with_bit, write_pdu

EXCEPTIONS = {
    1: "ILLEGAL FUNCTION",
    2: "ILLEGAL DATA ADDRESS",
    3: "ILLEGAL DATA VALUE",
    4: "SERVER DEVICE FAILURE",
    5: "ACKNOWLEDGE",
    6: "SERVER DEVICE BUSY",
    8: "MEMORY PARITY ERROR",
    10: "GATEWAY PATH UNAVAILABLE",
    11: "GATEWAY TARGET DEVICE FAILED TO RESPOND",
}
"""Names of the exception codes (Modbus Application Protocol V1.1b3, 7)."""
BUSY = b"\x06"
BUSY_PAUSE_S = 0.1
"""A device that says it is busy is left in peace so long before it is asked again (`BusyRetries`)."""
NOT_THERE = (10, 11)
"""Codes by which a gateway says that the unit behind it is silent."""
MALFORMED = Quality("bad", "device", "answer of wrong length")
NONSENSE = Quality("bad", "device", "not BCD")
WRITE_ONLY = Quality("bad", "config", "write-only")
MOST_SILENT = 2
"""Requests without an answer, one after another, before the rest of a poll is given up."""


class ModbusMapper:
    """Fulfils `gateway.model.contracts.Mapper` for `ModbusPlan`."""

    def __init__(self, connection: Connection, clock: Clock, framings: dict[str, str] | None = None) -> None:
        """`framings`: see `Wire`."""
        self._wire = Wire(connection, clock, framings)
        self._clock = clock

    async def connect(self) -> None:
        """Raises NotConnected."""
        await self._wire.connect()

    @property
    def rest_after(self) -> float | None:
        """`CloseAfterCycle`: at once; else `IdleTimeout`."""
        return self._wire.rest_after

    async def rest(self) -> None:
        """Never raises."""
        self._wire.close()

    async def close(self) -> None:
        """Idempotent; never raises."""
        self._wire.close()

    async def read(self, plan: ModbusPlan) -> list[Event]:
        """One event per source. Raises NotConnected; NoAnswer when the first request is not answered."""
        cells: list[Any] = []
        bad: dict[int, Quality] = {}
        silent = 0
        for block in plan.blocks:
            first = len(cells)
            try:
                found = TIMEOUT if silent >= MOST_SILENT else await self._block(plan.to, block)
                silent = silent if found is TIMEOUT else 0
            except NoAnswer:
                if not first:
                    raise
                found, silent = TIMEOUT, silent + 1
            if isinstance(found, Quality):
                bad.update(dict.fromkeys(range(first, first + block.cells), found))
                cells += [None] * block.cells
                continue
            values, nonsense = found
            cells += values
            if nonsense:
                bad.update(dict.fromkeys([first + at for at in nonsense], NONSENSE))
        return self._events(plan, cells, bad)

    async def _block(self, to: Unit, block: Block) -> tuple[list[Any], list[int]] | Quality:
        """The values of one request, or what is wrong with all of them."""
        answer = await self._ask(to, block.request.pdu)
        if len(answer) == block.payload + 2 and answer[1] == block.payload:
            return block.decode(answer[2:])
        if answer[0] & 0x80 and len(answer) == 2:
            if answer[1] in NOT_THERE:
                raise NoAnswer(_not_there(to, answer[1]))
            return refused(str(answer[1]))
        return MALFORMED

    def _events(self, plan: ModbusPlan, cells: list[Any], bad: dict[int, Quality]) -> list[Event]:
        origin = self._clock.now()
        return [
            Event(source, origin, _picked(cells, pick), quality=_quality(pick, len(source.resources), bad))
            for source, pick in zip(plan.sources, plan.picks, strict=True)
        ]

    async def write(self, plan: ModbusPlan, values: Mapping[str, Any]) -> None:
        """Everything is encoded before anything is sent. Raises CommandRejected (422) for what does not fit,
        NotConnected, NoAnswer, DeviceError."""
        wishes = [
            (point, values[point.name], write_pdu(point, values[point.name]))
            for points in plan.points
            for point in points
            if point.name in values
        ]
        for point, value, pdu in wishes:
            await self._write(plan.to, pdu if pdu is not None else await self._merged(plan.to, point, value))

    async def _merged(self, to: Unit, point: Point, value: Any) -> bytes:
        """The write of a register with one bit changed; calls on a mapper do not overlap, so nothing comes between."""
        answer = await self._confirmed(to, read_of(point))
        if len(answer) != 4:
            raise DeviceError("", f"the device answered with {len(answer) - 2} bytes instead of 2", _text(answer))
        return with_bit(point, int.from_bytes(answer[2:]), value)

    async def _write(self, to: Unit, pdu: bytes) -> None:
        answer = await self._confirmed(to, pdu)
        expected = pdu if pdu[0] in (5, 6, 22) else pdu[:5]
        if answer != expected:
            raise DeviceError("", "the device confirmed another write than the one sent", _text(pdu))

    async def _confirmed(self, to: Unit, pdu: bytes) -> bytes:
        answer = await self._ask(to, pdu)
        if not answer[0] & 0x80:
            return answer
        code = answer[1] if len(answer) > 1 else 0
        if code in NOT_THERE:
            raise NoAnswer(_not_there(to, code))
        name = EXCEPTIONS.get(code, "unknown exception")
        raise DeviceError(str(code), f"the device refused: exception {code} {name}", _text(pdu))

    async def _ask(self, to: Unit, pdu: bytes) -> bytes:
        """One request, as the device wants to be asked. Raises NotConnected, NoAnswer."""
        for left in range(to.busy_retries, -1, -1):
            if to.request_delay:
                await self._clock.sleep(to.request_delay)
            answer = await self._wire.ask(to.id, pdu, to.timeout)
            if answer[0] & 0x80 and answer[1:] == BUSY and left:
                await self._clock.sleep(BUSY_PAUSE_S)
                continue
            break
        return answer


def _picked(cells: list[Any], pick: slice | tuple[int, ...]) -> list[Any]:
    if isinstance(pick, slice):
        return cells[pick]
    return [cells[at] if at >= 0 else None for at in pick]


def _quality(pick: slice | tuple[int, ...], count: int, bad: dict[int, Quality]) -> dict[int, Quality] | None:
    if isinstance(pick, slice):
        if not bad:
            return None
        pick = tuple(range(pick.start, pick.start + count))
    found = {i: WRITE_ONLY if at < 0 else bad[at] for i, at in enumerate(pick) if at < 0 or at in bad}
    return found or None


def _not_there(to: Unit, code: int) -> str:
    return f"unit {to.id}: the gateway in front of it says {EXCEPTIONS[code]} ({code})"


def _text(pdu: bytes) -> str:
    return f"FC{pdu[0]} {pdu[:5].hex(' ')}{' …' if len(pdu) > 5 else ''}"
