"""Dead letters in memory, which can refuse like a full disk."""

from collections import Counter
from collections.abc import Sequence

from gateway.model.errors import StoreFailed
from gateway.model.letter import Letter
from gateway.model.reading import Record


class MemoryLetters:
    """Implements `gateway.model.letter.DeadLetters`."""

    def __init__(self) -> None:
        self.letters: dict[int, Letter] = {}
        self.counts: Counter[str] = Counter()
        self.fails = False

    async def put(self, consumer: str, refused: Sequence[tuple[Record, str]]) -> None:
        self._check()
        for record, why in refused:
            there = [n for n, one in self.letters.items() if (one.consumer, one.record) == (consumer, record)]
            number = there[0] if there else max(self.letters, default=0) + 1
            self.letters[number] = Letter(number, consumer, record, why, 0)
            self.counts[consumer] += not there

    def ever(self, consumer: str) -> int:
        return self.counts[consumer]

    async def find(self, consumer: str = "", after: int = 0, limit: int = 100) -> tuple[Sequence[Letter], int]:
        self._check()
        found = [one for one in self.letters.values() if consumer in ("", one.consumer)]
        return [one for one in found if one.number > after][:limit], len(found)

    async def get(self, numbers: Sequence[int]) -> Sequence[Letter]:
        self._check()
        return [self.letters[number] for number in numbers if number in self.letters]

    async def drop(self, numbers: Sequence[int]) -> int:
        self._check()
        return len([self.letters.pop(number) for number in numbers if number in self.letters])

    def of(self, consumer: str) -> dict[int, str]:
        """Offset → why."""
        return {one.record.offset: one.why for one in self.letters.values() if one.consumer == consumer}

    def _check(self) -> None:
        if self.fails:
            raise StoreFailed("no space left on device")
