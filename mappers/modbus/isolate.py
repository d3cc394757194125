"""What a device refuses together and gives apart: holes in its map, and how much it answers at once.

A request that is refused is halved with ordinary reads until every value has been answered or stands alone; so the poll
that met the hole already has all values there are.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.plan import Facts
from gateway.model.reading import Quality
from mappers.modbus.point import Point

Answer = tuple[list[Any], list[int]] | Quality
"""Values of the points asked for and the positions of what makes no sense; or what is wrong with all of them."""
Ask = Callable[[Sequence[Point]], Awaitable[Answer]]

CODES = ("2", "3")
"""ILLEGAL DATA ADDRESS and ILLEGAL DATA VALUE: refused because of where, or of how much, was read (Modbus Application
Protocol V1.1b3, 7)."""
MOST_READS = 40
"""Reads that one refused request may cost in one poll; what is not told apart by then is next time."""
PATIENCE = 8
"""Reads without any value after which the device is taken to refuse everything: that is no hole."""


def is_refusal(answer: Answer) -> bool:
    """Whether smaller requests may be answered."""
    return isinstance(answer, Quality) and answer.reason == "refused" and answer.code in CODES


@dataclass(slots=True)
class Isolation:
    """The search in one refused request. `ask` raises NotConnected and NoAnswer, which end it."""

    ask: Ask
    parts: list[tuple[Sequence[Point], Answer]] = field(default_factory=list)
    """What was answered, or refused for good, in the order of the points."""
    apart: set[int] = field(default_factory=set)
    """Addresses that no request may reach from below."""
    most: int | None = None
    """Addresses that one request may read."""
    _reads: int = 0
    _answered: bool = False

    async def run(self, held: Sequence[Point], refusal: Quality) -> None:
        """`held`: the points of the refused request, by address."""
        await self._halve(held, refusal)
        if not self._answered:
            self.apart.clear()

    @property
    def facts(self) -> Facts:
        """What is worth keeping; empty: nothing."""
        if not self.parts:
            return {}
        table = self.parts[0][0][0].table
        found: Facts = {}
        if self.apart:
            found["apart"] = {table.name: sorted(self.apart)}
        if self.most is not None:
            found["max_bits" if table.bits else "max_registers"] = self.most
        return found

    async def _search(self, held: Sequence[Point], known: Quality) -> bool:
        """Whether all of it was answered by one request."""
        if self._reads >= MOST_READS or (self._reads >= PATIENCE and not self._answered):
            self.parts.append((held, known))
            return False
        answer = await self._read(held)
        if not is_refusal(answer):
            self.parts.append((held, answer))
            return True
        assert isinstance(answer, Quality)
        if len(held) == 1:
            self.parts.append((held, answer))
            self.apart |= {held[0].address, held[0].end}
            return False
        await self._halve(held, answer)
        return False

    async def _halve(self, held: Sequence[Point], known: Quality) -> None:
        middle = len(held) // 2
        left, right = held[:middle], held[middle:]
        if await self._search(left, known) & await self._search(right, known):
            await self._between(left, right)

    async def _between(self, left: Sequence[Point], right: Sequence[Point]) -> None:
        """Both were answered, together they are not: the gap between them is a hole, or it is too much at once, or the
        device does not read across a border."""
        if right[0].address > _end(left):
            self.apart.add(right[0].address)
            return
        held, good, bad = [*left, *right], len(left), len(left) + len(right)
        while bad - good > 1:
            middle = (good + bad) // 2
            if is_refusal(await self._read(held[:middle])):
                bad = middle
            else:
                good = middle
        if is_refusal(await self._read(held[1:bad])):
            self.apart.add(held[good].address)
        else:
            length = _end(held[:good]) - held[0].address
            self.most = length if self.most is None else min(self.most, length)

    async def _read(self, held: Sequence[Point]) -> Answer:
        self._reads += 1
        answer = await self.ask(held)
        self._answered = self._answered or not isinstance(answer, Quality)
        return answer


def _end(held: Sequence[Point]) -> int:
    return max(point.end for point in held)


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
