"""What was last heard of every resource, kept per source at the cost of a few assignments per Event.

An Event is only remembered when it comes (`Slot.take`); who wants to look pays for unfolding it into cells."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.model.plan import PlannedDevice
from gateway.model.reading import GOOD, Event, Quality, Source

Freshness = Literal["fresh", "repeat", "stale"]

NEVER = float("-inf")
MISSED_PERIODS = 3
"""A value is stale when it was not read for this many requested periods …"""
PATIENCE_S = 1.0
"""… and at least this long: very fast polls do not flicker."""


def allowance(period: float) -> float:
    """Seconds without a good read after which a value polled every `period` seconds is stale."""
    return max(MISSED_PERIODS * period, PATIENCE_S)


@dataclass(slots=True, eq=False)
class Cell:
    """One resource."""

    value: Any = None
    """The last value that was not bad."""
    origin: int = 0
    """Of that value, ns UTC; 0: never."""
    good: float = NEVER
    """Monotonic time of that value; never for one remembered from before a restart."""
    quality: Quality = GOOD
    """Of the last attempt."""
    heard: float = NEVER
    """Monotonic time of the last attempt."""
    repeat: bool = False
    """The last read gave the same value as the one before."""

    def take(self, value: Any, origin: int, quality: Quality, heard: float) -> None:
        """One attempt to read: a bad one leaves the last value as it is."""
        self.quality, self.heard = quality, heard
        if quality.level == "bad":
            return
        self.repeat = self.good != NEVER and self.value == value
        self.value, self.origin, self.good = value, origin, heard


@dataclass(slots=True, eq=False)
class Row:
    """The newest of one resource, for people."""

    resource: str
    value: Any
    """None while it is bad; see `last_good`."""
    quality: Quality
    origin: int
    """ns UTC of the last good read; 0: never."""
    age_s: float | None
    """Seconds since the last good read, on monotonic time, never negative; None: never read."""
    freshness: Freshness
    period_s: float | None
    """Requested period; None: not polled."""
    last_good: Any
    """The value before it went bad, or `value`."""


class View:
    """Cells of some resources of a source, brought up to date only when somebody looks."""

    __slots__ = ("_before", "_cell_of", "_cells", "_heard", "_indexes", "_pending", "names")

    def __init__(self, source: Source, indexes: tuple[int, ...], cells: list[Cell] | None = None) -> None:
        self.names = tuple(source.names[index] for index in indexes)
        self._indexes = indexes
        self._cells = cells
        self._cell_of: dict[int, Cell] | None = None
        """By index, from the first partial event on."""
        self._heard = NEVER
        self._pending: Event | None = None
        self._before: Event | None = None

    def take(self, event: Event, heard: float) -> None:
        """Remembers an Event; unfolds the one before only when it holds values that this one does not replace."""
        pending, quality = self._pending, event.quality
        if pending is not None and (event.which is not None or (quality and _spoils(quality, pending.quality or {}))):
            self.cells()
            pending = None
        self._before, self._pending, self._heard = pending, event, heard
        if event.which is not None:
            self.cells()

    def cells(self) -> list[Cell]:
        """One per name, up to date."""
        if self._cells is None:
            self._cells = [Cell() for _ in self._indexes]
        for event in (self._before, self._pending):
            if event is not None:
                self._unfold(event, self._cells)
        self._pending = self._before = None
        return self._cells

    def _unfold(self, event: Event, cells: list[Cell]) -> None:
        quality, times = event.quality or {}, event.times or {}
        for cell, position in self._placed(event, cells):
            origin = times.get(position, event.origin)
            cell.take(event.values[position], origin, quality.get(position, GOOD), self._heard)

    def _placed(self, event: Event, cells: list[Cell]) -> Iterable[tuple[Cell, int]]:
        """Cells, and where in the event's values theirs is."""
        if event.which is None:
            return zip(cells, self._indexes, strict=True)
        if self._cell_of is None:
            self._cell_of = dict(zip(self._indexes, cells, strict=True))
        known = self._cell_of
        return [(known[index], position) for position, index in enumerate(event.which) if index in known]


def _spoils(now: Mapping[int, Quality], before: Mapping[int, Quality]) -> bool:
    """Whether a value goes bad that was not bad before."""
    return any(quality.level == "bad" and before.get(at, GOOD).level != "bad" for at, quality in now.items())


class Slot:
    """One source: its last Event, and what of it people and the cloud look at."""

    __slots__ = ("all", "good", "heard", "last", "reported")

    def __init__(self, source: Source, reported: Container[str] = ()) -> None:
        """`reported`: names of resources in the twin; the cloud looks at these every second, at the others never."""
        self.last: Event | None = None
        self.heard = NEVER
        self.good = NEVER
        """Monotonic time of the last Event with a value that was not bad."""
        self.all = View(source, tuple(range(len(source.names))))
        some = tuple(index for index, name in enumerate(source.names) if name in reported)
        self.reported = self.all if len(some) == len(source.names) else View(source, some) if some else None

    def take(self, event: Event, heard: float) -> None:
        """Remembers an Event."""
        quality = event.quality
        self.last = event
        if quality is None or len(quality) < len(event.values) or any(q.level != "bad" for q in quality.values()):
            self.good = self.heard = heard
        elif event.which is None or self.heard == NEVER:  # some bad values say nothing about the others
            self.heard = heard
        self.all.take(event, heard)
        if self.reported is not None and self.reported is not self.all:
            self.reported.take(event, heard)


def newest(views: Iterable[View], spare: Mapping[str, Cell]) -> dict[str, Cell]:
    """Per resource the cell that was heard last; `spare` holds what no view has."""
    found = dict(spare)
    for view in views:
        for name, cell in zip(view.names, view.cells(), strict=True):
            if cell.heard == NEVER:
                continue
            other = found.get(name)
            if other is None or cell.heard >= other.heard:
                found[name] = cell
    return found


def periods(planned: PlannedDevice) -> dict[str, float]:
    """Shortest requested period, in seconds, of every resource that is polled."""
    found: dict[str, float] = {}
    for poll in planned.polls:
        for source in poll.sources:
            for name in source.names:
                found[name] = min(poll.interval, found.get(name, poll.interval))
    return found


def row(name: str, cell: Cell, period: float | None, monotonic: float, now: int) -> Row:
    """A cell as people see it."""
    bad = cell.quality.level == "bad"
    return Row(
        resource=name,
        value=None if bad else cell.value,
        quality=cell.quality,
        origin=cell.origin,
        age_s=_age(cell, monotonic, now),
        freshness="stale" if is_stale(cell, period, monotonic) else "repeat" if cell.repeat else "fresh",
        period_s=period,
        last_good=cell.value,
    )


def is_stale(cell: Cell, period: float | None, monotonic: float) -> bool:
    """Not read in time: its good read is too long ago, or was before the restart."""
    return cell.good == NEVER or (period is not None and monotonic - cell.good > allowance(period))


def _age(cell: Cell, monotonic: float, now: int) -> float | None:
    if cell.good != NEVER:
        return max(0.0, monotonic - cell.good)
    return max(0.0, (now - cell.origin) / 1e9) if cell.origin else None
