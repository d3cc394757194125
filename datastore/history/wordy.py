"""Events that say more than their values (which came, their quality, their own times), or whose values are not numbers
of one type: looked at one by one."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from datastore.history.columns import EXACT, NONE, TYPES, Place, Readings, Words, numbers
from datastore.history.spelling import quality, spelled, text
from datastore.segment import Row

log = logging.getLogger(__name__)
ODD = 0
"""Column code of values that are not packed."""


class _Body(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """As `datastore.codec` writes it."""

    column: int
    values: bytes | list[Any]
    which: list[int] | None = None
    qualities: list[tuple[str, str, str, list[int]]] | None = None
    times: dict[int, int] | int | None = None
    historical: bool = False


_decode = msgspec.msgpack.Decoder(_Body).decode


@dataclass(slots=True)
class _Column:
    """Events whose values are of one column code, end to end."""

    series: list[int] = field(default_factory=list)
    packed: list[bytes] = field(default_factory=list)
    values: list[tuple[float, int]] = field(default_factory=list)
    """`value` and `exact` of those that are not packed."""
    counts: list[int] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    quality: dict[int, int] = field(default_factory=dict)
    """By position, only what is not good."""
    shifts: dict[int, int] = field(default_factory=dict)
    """By position: the reading's own time less the event's."""


class Wordy:
    """Gathers events."""

    def __init__(self, places: Mapping[int, Place], words: Words) -> None:
        self._places = places
        self._words = words
        self._columns = {code: _Column() for code in (ODD, *TYPES)}

    def add(self, row: Row) -> None:
        """A damaged row is logged and left out."""
        try:
            self._add(row, _decode(row[3]), self._places[row[1]])
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
            log.error("history: the row of offset %d is damaged and left out: %s", row[0], error)

    def _add(self, row: Row, body: _Body, place: Place) -> None:
        if body.column not in self._columns or isinstance(body.values, bytes) != (body.column != ODD):
            raise ValueError(f"there is no column {body.column}")
        column, values = self._columns[body.column], body.values
        count = len(values)
        if isinstance(values, bytes):
            count, rest = divmod(count, TYPES[body.column].itemsize)
            _within(rest, 1)
        which = range(count) if body.which is None else body.which
        if len(which) != count:
            raise ValueError("its values are not of its resources")
        for at in which if body.which is not None else which[-1:]:
            _within(at, place.count)
        qualities = self._qualities(body, count)
        shifts = _shifts(body.times, count, row[2])
        odd = [] if isinstance(values, bytes) else [self._odd(value) for value in values]
        base = len(column.series)  # nothing can fail from here on
        column.series += [place.first + at for at in which]
        column.counts.append(count)
        column.origins.append(row[2])
        column.offsets.append(row[0])
        column.values += odd
        if isinstance(values, bytes):
            column.packed.append(values)
        column.quality.update((base + at, word) for at, word in qualities.items())
        column.shifts.update((base + at, shift) for at, shift in shifts.items())

    def _qualities(self, body: _Body, count: int) -> dict[int, int]:
        found: dict[int, int] = {}
        for level, reason, code, positions in body.qualities or ():
            told = quality(level, reason, code)
            number = self._words.number(told) if told else 0
            found |= dict.fromkeys((_within(at, count) for at in positions or range(count)), number)
        return found

    def _odd(self, value: Any) -> tuple[float, int]:
        """`value` (NaN: none) and the number of `exact`."""
        if value is None:
            return math.nan, 0
        if isinstance(value, int):
            return float(value), self._words.number(spelled(value)) if abs(value) >= EXACT else 0
        if isinstance(value, float):
            return (value, 0) if math.isfinite(value) else (math.nan, self._words.number(spelled(value)))
        return math.nan, self._words.number(text(value))

    def readings(self) -> Readings:
        return Readings.join([self._column(code, column) for code, column in self._columns.items()])

    def _column(self, code: int, column: _Column) -> Readings:
        counts = np.array(column.counts, np.int64)
        origin = np.repeat(np.array(column.origins, np.int64), counts)
        event = np.full(len(origin), NONE)
        moved, shift = np.array([*column.shifts], np.int64), np.array([*column.shifts.values()], np.int64)
        event[moved] = np.where(shift != 0, origin[moved], NONE)
        origin[moved] += shift
        bad = np.zeros(len(origin), np.int32)
        bad[np.array([*column.quality], np.int64)] = [*column.quality.values()]
        if code == ODD:
            value = np.array([one for one, _ in column.values], np.float64)
            exact = np.array([word for _, word in column.values], np.int32)
        else:
            value, exact = numbers(np.frombuffer(b"".join(column.packed), TYPES[code]), self._words)
        offset = np.repeat(np.array(column.offsets, np.int64), counts)
        return Readings(np.array(column.series, np.int32), origin, event, offset, value, exact, bad)


def _within(at: int, count: int) -> int:
    if not 0 <= at < count:
        raise ValueError("it has other values than its source")
    return at


def _shifts(times: dict[int, int] | int | None, count: int, origin: int) -> dict[int, int]:
    shifts = dict.fromkeys(range(count), times) if isinstance(times, int) else times or {}
    for at, shift in shifts.items():
        _within(at, count)
        _within(origin + shift + 2**63, 2**64)
    return shifts
