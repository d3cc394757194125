"""The newest records in memory: what is not on disk yet, and a little more for consumers that have caught up."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Literal

from gateway.model.profile import ValueType
from gateway.model.reading import Event, Message, OneTime, Record, Source

KEPT = 50_000
"""Values on disk that stay here for consumers that have caught up; about 2 MB."""
LIMIT = 1_000_000
"""Values that may wait for the disk; about 32 MB. Beyond, the drop policy applies."""
_MESSAGE = 50
_offset = attrgetter("offset")


class Tail:
    """Records in order of their offset. Weights are in values, larger things counted as several."""

    def __init__(self, when_full: Literal["drop-oldest", "drop-newest"], limit: int = LIMIT, kept: int = KEPT) -> None:
        self.floor = 0
        """Everything above this offset that was not dropped is here."""
        self.records: list[Record] = []
        self._drop_newest = when_full == "drop-newest"
        self._limit = limit
        self._kept = kept
        self._committed = 0
        """How many of `records` are on disk."""
        self._waiting = 0
        """Weight of those that are not."""
        self._heavy: dict[int, bool] = {}

    def takes(self, record: Record) -> bool:
        """Whether there is room for a new one under `drop-newest`; messages come before readings."""
        if self._waiting < self._limit or not self._drop_newest:
            return True
        return isinstance(record, Message) and self._waiting < 2 * self._limit

    def append(self, record: Record) -> None:
        self.records.append(record)
        self._waiting += self._weight(record)

    def shed(self) -> int:
        """Under `drop-oldest`: makes room when too much waits for the disk; readings go before messages. Returns how
        many records went."""
        if self._waiting <= self._limit or self._drop_newest:
            return 0
        waiting = self.uncommitted()
        room = self._limit * 9 // 10
        kept, gone = self._without(waiting, room, Event)
        if self._waiting > room:
            kept, more = self._without(kept, room, Message)
            gone += more
        self.records[self._committed :] = kept
        return gone

    def _without(self, records: Sequence[Record], room: int, kind: type) -> tuple[list[Record], int]:
        kept: list[Record] = []
        for position, record in enumerate(records):
            if self._waiting <= room:
                kept += records[position:]
                break
            if isinstance(record, kind):
                self._waiting -= self._weight(record)
            else:
                kept.append(record)
        return kept, len(records) - len(kept)

    @property
    def waiting(self) -> int:
        """How many records are not on disk yet."""
        return len(self.records) - self._committed

    @property
    def oldest_waiting(self) -> Record | None:
        return self.records[self._committed] if self.waiting else None

    def uncommitted(self) -> list[Record]:
        """What is not on disk yet."""
        return self.records[self._committed :]

    def committed(self, upto: int) -> None:
        """These are on disk; all but the newest are let go."""
        done = bisect_right(self.records, upto, key=_offset)
        self._waiting -= sum(map(self._weight, self.records[self._committed : done]))
        self._committed = max(done, self._committed)
        keep, weight = self._committed, 0
        while keep and weight < self._kept:
            keep -= 1
            weight += self._weight(self.records[keep])
        if keep:
            self.floor = self.records[keep - 1].offset
            del self.records[:keep]
            self._committed -= keep

    def read(self, after: int, upto: int, limit: int) -> list[Record]:
        """In order; only right for `after` at or above the floor."""
        start = bisect_right(self.records, after, key=_offset)
        found = self.records[start : start + limit]
        return found if not found or found[-1].offset <= upto else [r for r in found if r.offset <= upto]

    def _weight(self, record: Record) -> int:
        if not isinstance(record, Event):
            return _MESSAGE
        source = record.source
        heavy = self._heavy.get(source.number)
        if heavy is None:
            heavy = self._heavy[source.number] = _is_heavy(source)
        times = record.times  # asked first: isinstance of a Mapping costs more than all else here
        count = len(record.values) + (0 if times is None or isinstance(times, OneTime) else len(times))
        return count + 10 + (sum(_size(value) for value in record.values) // 32 if heavy else 0)


_LIGHT = {*(v for v in ValueType if v.is_integer or v.is_float), ValueType.BOOL}


def _is_heavy(source: Source) -> bool:
    return any(resource.properties.value_type not in _LIGHT for resource in source.resources)


def _size(value: object) -> int:
    """Bytes, roughly, of text, binary, arrays and objects."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple):
        return (
            16 * len(value) + sum(map(_size, value))
            if value and not isinstance(value[0], int | float)
            else 16 * len(value)
        )
    return sum(64 + _size(one) for one in value.values()) if isinstance(value, dict) else 0
