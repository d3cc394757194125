"""The contents of one table of a simulated device, and which of its addresses exist."""

from bisect import bisect_right
from collections.abc import Iterable

from mappers.modbus.address import Table
from simulators.modbus.points import Point

BRIDGE = 125
"""Addresses between two of a profile that read as zero at most: reserved registers inside a block. More is a hole."""


class Refused(Exception):
    """The device says no; `code` is a Modbus exception code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"exception {code}")


class Image:
    """Registers as big-endian bytes, or one byte per bit."""

    def __init__(self, table: Table, points: Iterable[Point], strict: bool) -> None:
        """`strict`: an address that no resource names is refused. Otherwise gaps inside a block read as zero, except
        before a resource with `barrier`."""
        self.table = table
        self.points = sorted(points, key=lambda p: (p.address, p.end))
        self.size = 1 if table.bits else 2
        self.spans = _spans(self.points, 0 if strict else BRIDGE)
        self._starts = [first for first, _ in self.spans]
        self.base = self.spans[0][0] if self.spans else 0
        top = self.spans[-1][1] if self.spans else 0
        self.data = bytearray(self.size * (top - self.base))

    def check(self, first: int, count: int) -> None:
        """Raises Refused(2) unless every address exists."""
        index = bisect_right(self._starts, first) - 1
        if index < 0 or first + count > self.spans[index][1]:
            raise Refused(2)

    def read(self, first: int, count: int) -> bytes:
        at = self.size * (first - self.base)
        return bytes(self.data[at : at + self.size * count])

    def write(self, first: int, data: bytes) -> None:
        at = self.size * (first - self.base)
        self.data[at : at + len(data)] = data

    def touched(self, first: int, count: int) -> list[Point]:
        """Points that share an address with this range."""
        return [point for point in self.points if point.address < first + count and point.end > first]

    def get(self, point: Point) -> bytes:
        """The bytes of a point, as `Point.decode` takes them."""
        data = self.read(point.address, point.count)
        if point.bit is None:
            return data
        return b"\0\1" if int.from_bytes(data, "big") >> point.bit & 1 else b"\0\0"

    def put(self, point: Point, data: bytes) -> None:
        """Writes the bytes of a point, as `Point.encode` gives them; a bit leaves its neighbours alone."""
        if point.bit is not None:
            register = int.from_bytes(self.read(point.address, 1), "big") & ~(1 << point.bit)
            data = (register | any(data) << point.bit).to_bytes(2, "big")
        self.write(point.address, data)


def _spans(points: Iterable[Point], bridge: int) -> list[tuple[int, int]]:
    """Runs of addresses (first, one past the last) that answer."""
    spans: list[tuple[int, int]] = []
    for point in points:
        near = bool(spans) and point.address - spans[-1][1] <= (0 if point.barrier else bridge)
        if near and not (point.barrier and point.address >= spans[-1][1]):
            spans[-1] = (spans[-1][0], max(spans[-1][1], point.end))
        else:
            spans.append((point.address, point.end))
    return spans
