"""Readings in columns, and how rows of the journal become them. Packed bodies (see `datastore.codec`) of a whole batch
are looked at at once: no Python object per reading, unless an event has something to say beside its values."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from datastore.codec import MESSAGE
from datastore.history.spelling import spelled
from datastore.segment import Row

log = logging.getLogger(__name__)
NONE = -(2**63)
"""What stands for no event origin of its own."""
EXACT = 2**53
"""Whole numbers from here on are not all floats."""
TYPES: Mapping[int, np.dtype[Any]] = {
    code: np.dtype(kind) for code, kind in ((1, "<u2"), (2, "<i4"), (3, "<i8"), (4, "<f4"), (5, "<f8"))
}
"""By the column code of a packed body."""
_KINDS = ("i4", "i8", "i8", "i8", "f8", "i4", "i4")
_PAIR = 0x92
"""MessagePack: an array of two. Of these events nothing is to be said beside their values."""
_BIN8, _BIN16, _BIN32 = 0xC4, 0xC5, 0xC6

Ints = NDArray[np.int64]


@dataclass(slots=True)
class Readings:
    """Columns of equal length."""

    series: NDArray[np.int32]
    origin: Ints
    event: Ints
    """Origin of the event where it differs, else NONE."""
    offset: Ints
    value: NDArray[np.float64]
    """NaN: none."""
    exact: NDArray[np.int32]
    """Number of a word; 0: none."""
    quality: NDArray[np.int32]
    """As `exact`; 0: good."""

    def __len__(self) -> int:
        return len(self.series)

    def columns(self) -> list[NDArray[Any]]:
        return [getattr(self, one.name) for one in fields(self)]

    def take(self, which: NDArray[Any]) -> "Readings":
        """By a mask or by indexes."""
        return Readings(*[column[which] for column in self.columns()])

    def ordered(self) -> "Readings":
        """By series, origin, offset: as files are."""
        return self.take(np.lexsort((self.offset, self.origin, self.series)))

    @classmethod
    def join(cls, parts: Sequence["Readings"]) -> Self:
        if not parts:
            return cls(*[np.empty(0, kind) for kind in _KINDS])
        return cls(*map(np.concatenate, zip(*[part.columns() for part in parts], strict=True)))


class Words:
    """Texts by number; 0 is none."""

    def __init__(self) -> None:
        self.all: list[str | None] = [None]
        self._numbers: dict[str, int] = {}

    def number(self, word: str) -> int:
        found = self._numbers.get(word)
        if found is None:
            found = self._numbers[word] = len(self.all)
            self.all.append(word)
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where the readings of a source go: its first series, and how many resources it has."""

    first: int
    count: int


class Batch:
    """Rows of events, and what the first bytes of their bodies say. A byte may have flipped on the disk: what is not
    exactly as our codec writes it is not `plain`."""

    def __init__(self, rows: Sequence[Row], places: Mapping[int, Place]) -> None:
        offsets, numbers, origins, bodies = zip(*rows, strict=True)
        self._offset = np.array(offsets, np.int64)
        self._origin = np.array(origins, np.int64)
        known, index = np.unique(np.array(numbers, np.int64), return_inverse=True)
        found = [places[number] for number in known.tolist()]
        self._first = np.array([place.first for place in found], np.int32)[index]
        most = np.array([place.count for place in found], np.int64)[index]
        whole = np.fromiter(map(len, bodies), np.int64, len(bodies))
        self._bytes = np.frombuffer(b"".join(bodies) + bytes(8), np.uint8)
        start = np.cumsum(whole) - whole
        self._code = self._bytes[start + 1]
        kind = self._bytes[start + 2]
        head = np.select([kind == _BIN8, kind == _BIN16, kind == _BIN32], [4, 5, 7], 0)
        size = np.array([TYPES[code].itemsize if code in TYPES else 0 for code in range(256)])[self._code]
        length = whole - head
        self._head, self._bodies = head, bodies
        self._count = length // np.maximum(size, 1)
        self.plain: NDArray[np.bool_] = (
            (self._bytes[start] == _PAIR)
            & (size > 0)
            & (head > 0)
            & (length == self._told(start, head))
            & (length == self._count * size)
            & (self._count <= most)
        )

    def _told(self, start: Ints, head: Ints) -> Ints:
        """The length of the values that stands before them."""
        told = np.zeros_like(start)
        for place in range(3, 7):
            byte = self._bytes[np.minimum(start + place, len(self._bytes) - 1)]
            told = np.where(place < head, told * 256 + byte, told)
        return told

    def packed(self, code: int, words: Words) -> Readings:
        """The readings of all plain events of this column code."""
        which = np.flatnonzero(self.plain & (self._code == code))
        count = self._count[which]
        packed = [self._bodies[at][head:] for at, head in zip(which.tolist(), self._head[which].tolist(), strict=True)]
        values = np.frombuffer(b"".join(packed), TYPES[code])
        row = np.repeat(which, count)
        end = np.cumsum(count)
        position = np.arange(len(values), dtype=np.int32) - np.repeat((end - count).astype(np.int32), count)
        none = np.zeros(len(values), np.int32)
        value, exact = numbers(values, words)
        return Readings(
            self._first[row] + position,
            self._origin[row],
            np.full(len(values), NONE),
            self._offset[row],
            value,
            exact,
            none,
        )


def numbers(values: NDArray[Any], words: Words) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """`value` and `exact` of numbers of one type."""
    value = values.astype(np.float64)
    exact = np.zeros(len(value), np.int32)
    if values.dtype.kind == "f":
        odd = ~np.isfinite(value)
    elif values.dtype.itemsize == 8:
        odd = np.abs(value) >= EXACT
    else:
        return value, exact
    for at in np.flatnonzero(odd).tolist():
        exact[at] = words.number(spelled(values[at].item()))
    if values.dtype.kind == "f":
        value[odd] = np.nan
    return value, exact


def readings(rows: Sequence[Row], places: Mapping[int, Place], words: Words) -> Readings:
    """All readings of the events among these rows that people have not deleted; `places` by the source's number. A
    damaged row is logged and left out."""
    from datastore.history.wordy import Wordy

    rows = [row for row in rows if row[1] > MESSAGE and _known(row, places)]
    if not rows:
        return Readings.join([])
    batch = Batch(rows, places)
    parts = [batch.packed(code, words) for code in TYPES]
    wordy = Wordy(places, words)
    for at in np.flatnonzero(~batch.plain).tolist():
        wordy.add(rows[at])
    parts.append(wordy.readings())
    found = Readings.join(parts)
    if (found.offset[1:] < found.offset[:-1]).any():
        found = found.take(np.argsort(found.offset, kind="stable"))
    return found


def _known(row: Row, places: Mapping[int, Place]) -> bool:
    if row[1] not in places:
        log.error("history: the row of offset %d is damaged and left out: it is of no source", row[0])
    return row[1] in places
