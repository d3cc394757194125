"""Modbus over one connection: read a plan's blocks, write a source's values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.model.contracts import Clock
from gateway.model.errors import CommandRejected, DeviceError, NoAnswer
from gateway.model.plan import Connection, Facts
from gateway.model.reading import TIMEOUT, Event, Quality, refused
from mappers.modbus.isolate import Answer, Isolation, is_refusal, merged
from mappers.modbus.line.connection import BROADCAST, Unit
from mappers.modbus.line.wire import Wire
from mappers.modbus.plan import Block, ModbusPlan
from mappers.modbus.point import Point
from mappers.modbus.refusal import EXCEPTIONS, NOT_THERE, code_of, is_accepted, is_worth_asking_again, said
from mappers.modbus.writes import BIT_FOR_ALL, read_of, with_bit, write_pdu

BUSY_PAUSE_S = 0.1
"""A device that says it is busy is left in peace so long before it is asked again (`BusyRetries`)."""
MALFORMED = Quality("bad", "device", "answer of wrong length")
NONSENSE = Quality("bad", "device", "not BCD")
WRITE_ONLY = Quality("bad", "config", "write-only")
AS_IT_IS_S = 600.0
"""A refused request from which nothing was to be learned is looked into again after so long."""
Found = tuple[list[Any], Mapping[int, Quality]]
"""Values, and by position what is wrong with some of them."""
MOST_SILENT = 2
"""Requests without an answer, one after another, before the rest of a poll is given up."""


class ModbusMapper:
    """Fulfils `gateway.model.contracts.Mapper` for `ModbusPlan`."""

    def __init__(self, connection: Connection, clock: Clock, wire: Wire | None = None) -> None:
        self._wire = wire or Wire(connection, clock)
        self._clock = clock
        self.found: dict[str, Facts] = {}
        """See `Mapper.found`."""
        self._split: dict[tuple[int, bytes], tuple[float, list[Sequence[Point]]]] = {}
        """Requests of which nothing is to be learned: until when, and in which parts they are answered, if in any."""
        self._wire.ear.begins = self._split.clear  # a recording shows how it came to ask as it does

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

    async def read(self, plan: ModbusPlan, patience: float | None = None) -> list[Event]:
        """One event per source. Raises NotConnected; NoAnswer when the first request is not answered; CommandRejected
        (405) at a broadcast address."""
        if plan.to.broadcast:
            raise CommandRejected(405, f"nothing can be read here: {BROADCAST}")
        if patience is not None and patience < plan.to.timeout:
            plan = replace(plan, to=replace(plan.to, timeout=patience))
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
            values, wrong = await self._told_apart(plan, block, found)
            cells += values
            if wrong:
                bad.update({first + at: quality for at, quality in wrong.items()})
        return self._events(plan, cells, bad)

    async def _told_apart(self, plan: ModbusPlan, block: Block, answer: Answer) -> Found:
        """What each value of a request is; of one that is refused as a whole, by smaller requests."""
        if isinstance(answer, Quality) and block.cells > 1 and is_refusal(answer):
            return await self._isolated(plan, block, answer)
        return _found(answer, block.cells)

    async def _isolated(self, plan: ModbusPlan, block: Block, refusal: Quality) -> Found:
        """What a refused request has after all; what is to be learned from it goes to `found`."""
        key = plan.to.id, block.request.pdu
        until, known = self._split.get(key, (0.0, []))
        if self._clock.monotonic() < until:
            parts = [(held, await self._part(plan, held)) for held in known]
            return _together(parts) if parts else _found(refusal, block.cells)
        search = Isolation(lambda held: self._block(plan.to, plan.block_of(held)), block.held)
        await search.run(refusal)
        parts = search.parts
        old = merged(plan.facts, self.found.get(plan.device, {}))
        new = merged(old, search.facts)
        if new != old:
            self.found[plan.device] = new
        elif len(parts) > 1:
            helpful = [held for held, _ in parts] if any(not isinstance(answer, Quality) for _, answer in parts) else []
            self._split[key] = self._clock.monotonic() + AS_IT_IS_S, helpful
        return _together(parts)

    async def _part(self, plan: ModbusPlan, held: Sequence[Point]) -> Answer:
        try:
            return await self._block(plan.to, plan.block_of(held))
        except NoAnswer:
            return TIMEOUT

    async def _block(self, to: Unit, block: Block) -> Answer:
        """The values of one request, or what is wrong with all of them."""
        answer = await self._ask(to, block.request.pdu)
        if len(answer) == block.payload + 2 and answer[0] < 0x80 and answer[1] == block.payload:
            return block.decode(answer[2:])
        code = code_of(answer)
        if code in NOT_THERE:
            raise NoAnswer(_not_there(to, code), told=True)
        return MALFORMED if code is None else refused(str(code))

    def _events(self, plan: ModbusPlan, cells: list[Any], bad: dict[int, Quality]) -> list[Event]:
        origin = self._clock.now()
        return [
            Event(source, origin, _picked(cells, pick), quality=_quality(pick, len(source.resources), bad))
            for source, pick in zip(plan.sources, plan.picks, strict=True)
        ]

    async def write(self, plan: ModbusPlan, values: Mapping[str, Any]) -> None:
        """Everything is encoded before anything is sent. Raises CommandRejected (422) for what does not fit,
        NotConnected, NoAnswer, DeviceError. At a broadcast address it returns when it is sent."""
        wishes = [
            (point, values[point.name], write_pdu(point, values[point.name]))
            for points in plan.points
            for point in points
            if point.name in values
        ]
        for point, _, pdu in wishes if plan.to.broadcast else ():
            if pdu is None:
                raise CommandRejected(422, f"{point.name}: {BIT_FOR_ALL}")
        for point, value, pdu in wishes:
            await self._write(plan.to, pdu if pdu is not None else await self._merged(plan.to, point, value))

    async def _merged(self, to: Unit, point: Point, value: Any) -> bytes:
        """The write of a register with one bit changed; calls on a mapper do not overlap, so nothing comes between."""
        answer = await self._confirmed(to, read_of(point))
        if len(answer) != 4 or answer[:2] != b"\x03\x02":
            raise DeviceError(
                "", f"the device answered {answer[:8].hex(' ')} instead of one register", _text(read_of(point))
            )
        return with_bit(point, int.from_bytes(answer[2:]), value)

    async def _write(self, to: Unit, pdu: bytes) -> None:
        """Returns when the device took it, even if it is not done with it yet: reading back will tell."""
        if to.broadcast:
            if to.request_delay:
                await self._clock.sleep(to.request_delay)
            await self._wire.tell(pdu)
            return
        answer = await self._confirmed(to, pdu)
        if code_of(answer) is not None:
            return
        expected = pdu if pdu[0] in (5, 6, 22) else pdu[:5]
        if answer != expected:
            raise DeviceError("", "the device confirmed another write than the one sent", _text(pdu))

    async def _confirmed(self, to: Unit, pdu: bytes) -> bytes:
        answer = await self._ask(to, pdu)
        code = code_of(answer)
        if code is None or is_accepted(pdu, code):
            return answer
        if code in NOT_THERE:
            raise NoAnswer(_not_there(to, code), told=True)
        raise DeviceError(str(code), said(pdu, code), _text(pdu))

    async def _ask(self, to: Unit, pdu: bytes) -> bytes:
        """One request, as the device wants to be asked. Raises NotConnected, NoAnswer."""
        for left in range(to.busy_retries, -1, -1):
            if to.request_delay:
                await self._clock.sleep(to.request_delay)
            answer = await self._wire.ask(to.id, pdu, to.timeout)
            if left and is_worth_asking_again(pdu, code_of(answer)):
                await self._clock.sleep(BUSY_PAUSE_S)
                continue
            break
        return answer


def _found(answer: Answer, count: int) -> Found:
    if isinstance(answer, Quality):
        return [None] * count, dict.fromkeys(range(count), answer)
    values, nonsense = answer
    return values, dict.fromkeys(nonsense, NONSENSE)


def _together(parts: Sequence[tuple[Sequence[Point], Answer]]) -> Found:
    values: list[Any] = []
    bad: dict[int, Quality] = {}
    for held, answer in parts:
        some, wrong = _found(answer, len(held))
        bad.update({len(values) + at: quality for at, quality in wrong.items()})
        values += some
    return values, bad


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
