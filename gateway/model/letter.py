"""Dead letters: records that somebody's other side refused for good, and who keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.model.reading import Record


@dataclass(frozen=True, slots=True)
class Letter:
    """What is kept of it."""

    number: int
    consumer: str
    record: Record
    why: str
    """What the other side said, or what of it did not fit, in words."""
    at: int
    """ns UTC when it was set aside."""


class DeadLetters(Protocol):
    """Records that some consumer's other side refused for good: kept with the reason until somebody has them sent
    again or drops them."""

    async def put(self, consumer: str, refused: Sequence[tuple[Record, str]]) -> None:
        """Keeps records with the reasons; one that is kept already gets the new reason. On disk when it returns. Raises
        StoreFailed."""
        ...

    def ever(self, consumer: str) -> int:
        """How many were set aside in all its time, also over restarts."""
        ...

    async def find(self, consumer: str = "", after: int = 0, limit: int = 100) -> tuple[Sequence[Letter], int]:
        """Letters with numbers above `after`, oldest first, of one consumer or all; and how many there are of it.
        Raises StoreFailed."""
        ...

    async def get(self, numbers: Sequence[int]) -> Sequence[Letter]:
        """Those of them that there are. Raises StoreFailed."""
        ...

    async def drop(self, numbers: Sequence[int]) -> int:
        """Forgets them; returns how many there were. Raises StoreFailed."""
        ...
