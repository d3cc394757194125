"""What a device refuses together and gives apart: holes in its map, and how much it answers at once.

A request that is refused is halved with ordinary reads until every value has been answered or stands alone; so the poll
that met the hole already has all values there are.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.errors import NoAnswer
from gateway.model.plan import Facts
from gateway.model.reading import TIMEOUT, Quality
from mappers.modbus.point import Point

Answer = tuple[list[Any], list[int]] | Quality
"""Values of the points asked for and the positions of what makes no sense; or what is wrong with all of them."""
Ask = Callable[[Sequence[Point]], Awaitable[Answer]]

CODES = ("2", "3")
"""ILLEGAL DATA ADDRESS and ILLEGAL DATA VALUE: refused because of where, or of how much, was read (Modbus Application
Protocol V1.1b3, 7)."""
MOST_READS = 40
"""Reads that one refused request may cost in one poll; what is not told apart by then is next time."""
WIDE = 14
"""The first reads go through the whole request, in halves, quarters and eighths: what is not there may be anywhere."""
PATIENCE = 26
"""Reads without any value after which the device is taken to refuse everything: that is no hole."""


def is_refusal(answer: Answer) -> bool:
    """Whether smaller requests may be answered."""
    return isinstance(answer, Quality) and answer.reason == "refused" and answer.code in CODES


@dataclass(slots=True)
class Isolation:
    """The search in one refused request, by the positions of its points. `ask` raises NotConnected, which ends it, and
    NoAnswer."""

    ask: Ask
    held: Sequence[Point]
    """The points of the refused request, by address."""
    apart: set[int] = field(default_factory=set)
    """Addresses that no request may reach from below."""
    most: int | None = None
    """Addresses that one request may read."""
    _parts: dict[int, tuple[Sequence[Point], Answer]] = field(default_factory=dict)
    _refused: list[tuple[int, int]] = field(default_factory=list)
    _reads: int = 0
    _longest: int = 0
    """Addresses of the longest request that was answered."""
    _silent: bool = False

    async def run(self, refusal: Quality) -> None:
        """The refused request is asked once more first: a device that is starting refuses for a moment."""
        if not await self._try(0, len(self.held), refusal):
            while self._refused:
                await self._halve(*self._refused.pop(0 if self._reads < WIDE and not self._longest else -1), refusal)
        if not self._longest:
            self.apart.clear()

    @property
    def parts(self) -> list[tuple[Sequence[Point], Answer]]:
        """What was answered, or refused for good, in the order of the points."""
        return [self._parts[first] for first in sorted(self._parts)]

    @property
    def facts(self) -> Facts:
        """What is worth keeping; empty: nothing."""
        table = self.held[0].table
        found: Facts = {}
        if self.apart:
            found["apart"] = {table.name: sorted(self.apart)}
        if self.most is not None:
            found["max_bits" if table.bits else "max_registers"] = self.most
        return found

    async def _try(self, first: int, end: int, known: Quality) -> bool:
        """Whether all of it was answered by one request."""
        hopeless = self._reads >= PATIENCE and not self._longest
        if self._silent or hopeless or self._reads >= MOST_READS:
            self._parts[first] = self.held[first:end], known
            return False
        answer = await self._read(first, end)
        if is_refusal(answer) and end - first > 1:
            self._refused.append((first, end))
            return False
        self._parts[first] = self.held[first:end], answer
        if is_refusal(answer):
            self.apart |= {self.held[first].address, self.held[first].end}
        return not isinstance(answer, Quality)

    async def _halve(self, first: int, end: int, known: Quality) -> None:
        middle = (first + end) // 2
        right = await self._try(middle, end, known)  # the left is then on top of what is looked into next
        if await self._try(first, middle, known) and right:
            await self._between(first, middle, end)

    async def _between(self, first: int, middle: int, end: int) -> None:
        """Both halves were answered, together they are not: the gap between them is a hole, or it is too much at once,
        or the device does not read across a border."""
        if not is_refusal(await self._read(first, end)):
            return  # by now it is answered: the device was busy with something else
        if self.held[middle].address > self._end(first, middle):
            self.apart.add(self.held[middle].address)
            return
        good, bad = middle, end
        while bad - good > 1:
            tried = (good + bad) // 2
            answer = await self._read(first, tried)
            if isinstance(answer, Quality) and not is_refusal(answer):
                return
            good, bad = (good, tried) if is_refusal(answer) else (tried, bad)
        if await self._is_limit(first, good):
            length = self._end(first, good) - self.held[first].address
            self.most = length if self.most is None else min(self.most, length)
        else:
            self.apart.add(self.held[good].address)

    async def _is_limit(self, first: int, good: int) -> bool:
        """Points `first` to `good` are answered and one more is not: whether that is the length and not the place."""
        if self._end(first, good) - self.held[first].address < self._longest:
            return False
        if good - first > 1:  # as many points, across the same place
            return not isinstance(await self._read(first + 1, good + 1), Quality)
        after, before = (good, good + 2), (first - 1, good)  # one more than one, at other places
        elsewhere = after if after[1] <= len(self.held) else before
        return elsewhere[0] >= 0 and is_refusal(await self._read(*elsewhere))

    async def _read(self, first: int, end: int) -> Answer:
        held = self.held[first:end]
        self._reads += 1
        try:
            answer = await self.ask(held)
        except NoAnswer:
            self._silent = True
            return TIMEOUT
        if not isinstance(answer, Quality):
            self._longest = max(self._longest, self._end(first, end) - held[0].address)
        return answer

    def _end(self, first: int, end: int) -> int:
        return max(point.end for point in self.held[first:end])


def merged(old: Facts, new: Facts) -> Facts:
    """Facts of a device with what was found out besides."""
    apart: dict[str, list[int]] = {**old.get("apart", {})}
    for table, addresses in new.get("apart", {}).items():
        apart[table] = sorted({*apart.get(table, ()), *addresses})
    limits = {
        key: min(known)
        for key in ("max_registers", "max_bits")
        if (known := [facts[key] for facts in (old, new) if key in facts])
    }
    return {**old, **({"apart": apart} if apart else {}), **limits}
