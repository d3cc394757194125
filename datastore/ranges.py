"""What a consumer has not acknowledged: a short sorted list of ranges of offsets, the last one open at its end."""

from collections.abc import Iterable

FOREVER = 2**63 - 1
"""The end of the range that takes in everything still to come."""
Range = tuple[int, int]
"""First and last offset, both inclusive."""


class Unacknowledged:
    """Ranges that do not touch, oldest first."""

    __slots__ = ("ranges",)

    def __init__(self, ranges: Iterable[Range] = ((1, FOREVER),)) -> None:
        self.ranges: list[Range] = [(first, last) for first, last in ranges]

    def remove(self, first: int, last: int) -> None:
        """These need no more sending."""
        if first > last:
            return
        left: list[Range] = []
        for low, high in self.ranges:
            if high < first or low > last:
                left.append((low, high))
                continue
            if low < first:
                left.append((low, first - 1))
            if high > last:
                left.append((last + 1, high))
        self.ranges = left

    def upto(self, head: int) -> list[Range]:
        """What is pending of that which exists."""
        return [(low, min(high, head)) for low, high in self.ranges if low <= head]

    def count(self, first: int, last: int) -> int:
        """How many offsets of this stretch are pending."""
        return sum(min(high, last) - max(low, first) + 1 for low, high in self.ranges if low <= last and high >= first)

    def __contains__(self, offset: int) -> bool:
        return any(low <= offset <= high for low, high in self.ranges)
