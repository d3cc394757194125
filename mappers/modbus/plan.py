"""The requests of a poll: pure, and the fewest that pay.

What is minimised, per table: the sum over its requests of (what a request costs, in registers) + (registers it reads).
What a request costs is `MaxGap`: bridging a gap up to it is cheaper than asking twice.
"""

import struct
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.device import Device
from gateway.model.errors import ConfigError, Problem
from gateway.model.plan import Connection, Facts, Request
from gateway.model.reading import Source
from mappers.modbus.address import Table
from mappers.modbus.codec import Decode, decoder
from mappers.modbus.line.connection import Serial, Unit, reach
from mappers.modbus.point import Point, locate
from mappers.shared import located

TCP_REQUEST_REGISTERS = 50
"""What a request over TCP costs, in registers: far less than it truly does (a turnaround is worth hundreds), because
bridged addresses may be holes that some devices refuse."""
ANSWER_MS = 5.0
"""A serial device's own time to answer while it was not learned; weighs on what a request costs."""
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One read request and what its answer holds."""

    request: Request
    payload: int
    """Bytes of data in the full answer."""
    held: tuple[Point, ...]
    """The points in it, by address."""
    decode: Decode

    @property
    def cells(self) -> int:
        """Values in it."""
        return len(self.held)


@dataclass(frozen=True, slots=True, eq=False)
class ModbusPlan:
    """Fulfils `gateway.model.plan.Plan`. The values of all blocks, one after another, are the plan's cells."""

    device: str
    to: Unit
    sources: tuple[Source, ...]
    blocks: tuple[Block, ...]
    picks: tuple[slice | tuple[int, ...], ...]
    """Per source, the cells of its resources in order; -1: cannot be read."""
    points: tuple[tuple[Point, ...], ...]
    """Per source, of its resources in order."""
    block_of: Callable[[Sequence[Point]], Block]
    """The request for some points of one table."""
    facts: Facts
    """What it was made with."""
    requests: tuple[Request, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "requests", tuple(block.request for block in self.blocks))

    @property
    def unit(self) -> int:
        """The unit id: what goes silent together."""
        return self.to.id


def plan(device: Device, sources: Sequence[Source], facts: Facts) -> ModbusPlan:
    """For reading all `sources` together or for writing one. Raises ConfigError with every problem."""
    connection, unit = reach(device)
    points = located.points(sources, locate)
    _check_limits(points, unit)
    readable = _readable(sources, points)
    cost = _Cost(connection, unit, facts)
    cells: dict[Point, int] = {}
    blocks = []
    for table in Table:
        mine = sorted((p for p in readable if p.table is table), key=_place)
        apart = sorted({*_barriers(mine), *facts.get("apart", {}).get(table.name, ())})
        for held in _held(mine, join(_spans(mine), cost.limit(table, mine), cost.gap(table), apart)):
            cells.update({point: len(cells) + i for i, point in enumerate(held)})
            blocks.append(cost.block(held))
    picks = tuple(_pick([cells.get(p, -1) for p in mine]) for mine in points)
    return ModbusPlan(device.name, unit, tuple(sources), tuple(blocks), picks, points, cost.block, facts)


def _place(point: Point) -> tuple[int, int, str]:
    return (point.address, point.size, point.name)


def _readable(sources: Sequence[Source], points: Sequence[Sequence[Point]]) -> list[Point]:
    found: dict[Point, None] = {}
    for source, mine in zip(sources, points, strict=True):
        pairs = zip(source.resources, mine, strict=True)
        found |= {point: None for resource, point in pairs if resource.properties.read_write.readable}
    return list(found)


def _check_limits(points: Sequence[Sequence[Point]], unit: Unit) -> None:
    """Raises ConfigError for values that no request of the device can carry, be it to read or to write them."""
    found = {point.name: beyond(point, unit) for mine in points for point in mine}
    problems = [Problem(f"{name}.attributes", what) for name, what in found.items() if what]
    if problems:
        raise ConfigError(problems)


def beyond(point: Point, unit: Unit) -> str:
    """Why no request of the device can carry the value, which is never split; empty when one can."""
    limit, key = (unit.max_bits, "MaxBits") if point.table.bits else (unit.max_registers, "MaxRegisters")
    if point.size <= limit:
        return ""
    return f"takes {point.size} addresses; {key} of the device allows {limit} in one request"


def _pick(cells: list[int]) -> slice | tuple[int, ...]:
    if cells and cells[0] >= 0 and cells == list(range(cells[0], cells[0] + len(cells))):
        return slice(cells[0], cells[0] + len(cells))
    return tuple(cells)


def _spans(points: Iterable[Point]) -> list[Span]:
    return [(p.address, p.end) for p in points]


def _barriers(points: Iterable[Point]) -> list[int]:
    return sorted({p.address for p in points if p.barrier})


def join(spans: Iterable[Span], limit: int, gap: int, barriers: Collection[int] = ()) -> list[Span]:
    """The blocks that cover all spans at the least cost, sum of (gap + length); of equal cost, the fewest.

    Blocks are at most `limit` long (every span must be) and never reach from below a barrier to it. An exact optimum in
    one pass: best[j] = min over i of best[i] + gap + end[j] - start[i], where i moves through a window.
    """
    outer = _outermost(spans)
    cuts = _cuts(outer, sorted(barriers))
    best, first = [(0, 0)], []
    window: deque[tuple[int, int, int]] = deque()
    for j, (start, end) in enumerate(outer):
        if j in cuts:
            window.clear()
        cost, requests = best[j]
        while window and window[-1][:2] > (cost - start, requests):
            window.pop()
        window.append((cost - start, requests, j))
        while end - outer[window[0][2]][0] > limit:
            window.popleft()
        cost, requests, i = window[0]
        best.append((cost + gap + end, requests + 1))
        first.append(i)
    return _trace(outer, first)


def _outermost(spans: Iterable[Span]) -> list[Span]:
    """Without those inside another: they ride along. Starts and ends both grow."""
    found: list[Span] = []
    for start, end in sorted(set(spans), key=lambda span: (span[0], -span[1])):
        if not found or end > found[-1][1]:
            found.append((start, end))
    return found


def _cuts(outer: Sequence[Span], barriers: Sequence[int]) -> set[int]:
    """Indexes of spans that must begin a block."""
    starts = [bisect_right(barriers, start) for start, _ in outer]
    return {i for i in range(1, len(outer)) if starts[i] > starts[i - 1]}


def _trace(outer: Sequence[Span], first: Sequence[int]) -> list[Span]:
    found: list[Span] = []
    j = len(outer)
    while j:
        i = first[j - 1]
        found.append((outer[i][0], outer[j - 1][1]))
        j = i
    return found[::-1]


def _held(points: Sequence[Point], blocks: Sequence[Span]) -> list[tuple[Point, ...]]:
    """Points by block, each in the first that holds all of it."""
    found: list[list[Point]] = [[] for _ in blocks]
    ends = [end for _, end in blocks]
    for point in points:
        found[bisect_right(ends, point.end - 1)].append(point)
    return [tuple(held) for held in found]


class _Cost:
    """What requests of one device weigh on its connection."""

    def __init__(self, connection: Connection, unit: Unit, facts: Facts) -> None:
        self._unit = unit
        self._facts = facts
        self._line = connection.settings if isinstance(connection.settings, Serial) else None
        learned: Any = facts.get("answer_ms")
        self._answer_s = (float(learned) if isinstance(learned, int | float) else ANSWER_MS) / 1000
        settings: Any = connection.settings
        self._framing = settings.framing

    def limit(self, table: Table, points: Iterable[Point]) -> int:
        """Addresses of one request: what the device file allows and the device answers, but no value is ever split."""
        allowed = self._unit.max_bits if table.bits else self._unit.max_registers
        learned: int = self._facts.get("max_bits" if table.bits else "max_registers", allowed)
        return max(min(allowed, learned), *(point.size for point in points), 1)

    def gap(self, table: Table) -> int:
        """Registers (or bits) as costly as one more request."""
        if self._unit.max_gap is not None:
            return self._unit.max_gap
        registers = TCP_REQUEST_REGISTERS
        if self._line is not None:
            empty = self._line_s(self._framed(5), self._framed(2)) + self._answer_s
            registers = int(empty / (2 * self._line.char_s))
        return 16 * registers if table.bits else registers

    def _framed(self, pdu: int) -> int:
        """Bytes on the wire for a PDU of so many: with the header of Modbus TCP, or unit and check sum; ASCII spells
        each byte as two characters between `:` and the end of the line."""
        if self._framing == "ascii":
            return 2 * (pdu + 2) + 3
        return pdu + (3 if self._framing == "rtu" else 7)

    def _line_s(self, sent: int, received: int) -> float:
        """The rest before a request, and on a serial line the characters and the silence that ends each frame."""
        if self._line is None:
            return self._unit.request_delay
        return self._unit.request_delay + (sent + received) * self._line.char_s + 2 * self._line.silence_s

    def block(self, held: Sequence[Point]) -> Block:
        held = tuple(held)
        table, start = held[0].table, held[0].address
        count = max(point.end for point in held) - start
        payload = -(-count // 8) if table.bits else 2 * count
        sent, received = self._framed(5), self._framed(2 + payload)
        last = f"-{start + count - 1}" if count > 1 else ""
        request = Request(
            text=f"FC{table.function} {table.text} {start}{last}",
            pdu=struct.pack(">BHH", table.function, start, count),
            sent=sent,
            received=received,
            line_s=self._line_s(sent, received),
        )
        return Block(request, payload, held, decoder(start, held))
