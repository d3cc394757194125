"""What rules are given of the house, and what they hand to it."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from datastore.analysis.place import Alarming
from datastore.analysis.refs import Ref
from gateway.model.contracts import Clock
from gateway.model.profile import DeviceResource
from gateway.model.reading import GOOD, Quality


@dataclass(frozen=True, slots=True)
class Input:
    """A resource that a rule reads, found."""

    ref: Ref
    resource: DeviceResource


Emit = Callable[[Ref, Any, int, Quality], None]
"""Hands over a value of a virtual resource: where, value, origin (ns), quality."""


@dataclass(frozen=True, slots=True)
class Around:
    """For everything that runs."""

    clock: Clock
    alarms: Alarming
    emit: Emit
    timers: "Timers"
    folder: Path = Path()
    """What names of files in rules are relative to."""
    data: Path = Path("data")
    """Where what must be kept is kept."""


@dataclass(slots=True, order=True)
class Timer:
    """One call to come."""

    when: float
    order: int
    call: Callable[[], None] | None = field(compare=False)
    """None: cancelled."""


class Timers:
    """Calls to come on monotonic time; `run` waits for them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Timer] = []
        self._order = count()
        self._cancelled = 0
        self.poke: Callable[[], None] = lambda: None
        """Called when there is an earlier one than whoever waits knows of."""

    def at(self, when: float, call: Callable[[], None]) -> Timer:
        timer = Timer(when, next(self._order), call)
        heapq.heappush(self._heap, timer)
        if self._heap[0] is timer:
            self.poke()
        return timer

    def cancel(self, timer: Timer) -> None:
        """It does not come. What was cancelled is swept out when it is most of all: a value that flutters around its
        limit takes no memory."""
        if timer.call is None:
            return
        timer.call = None
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled > len(self._heap) // 2:
            self._heap = [one for one in self._heap if one.call is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def due(self) -> float | None:
        """Seconds until the next one; None: there is none."""
        while self._heap and self._heap[0].call is None:
            self._pop()
        return max(0.0, self._heap[0].when - self._clock.monotonic()) if self._heap else None

    def fire(self) -> None:
        """Calls whatever is due."""
        now = self._clock.monotonic() + 1e-9
        while self._heap and self._heap[0].when <= now:
            timer = self._pop()
            call, timer.call = timer.call, None
            if call is not None:
                call()

    def _pop(self) -> Timer:
        timer = heapq.heappop(self._heap)
        self._cancelled -= timer.call is None
        return timer

    def __len__(self) -> int:
        return len(self._heap)


class Holding:
    """A state that changes only when what speaks for it has lasted: so long to become true, so long to become false
    again, by the clock."""

    def __init__(self, timers: Timers, clock: Clock, waits: tuple[float, float], flip: Callable[[bool], None]) -> None:
        """`waits`: seconds to become true, and false. `flip` is called with the new state."""
        self._timers, self._clock, self._waits, self._flip = timers, clock, waits, flip
        self.state = False
        self._pending: Timer | None = None

    @property
    def pending(self) -> bool:
        """Something else than the state holds, and has not lasted yet."""
        return self._pending is not None

    def wish(self, state: bool) -> None:
        """What holds now."""
        if state is self.state:
            self.forget()
        elif self._pending is None:
            wait = self._waits[0 if state else 1]
            if wait <= 0:
                self._turn(state)
            else:
                self._pending = self._timers.at(self._clock.monotonic() + wait, lambda: self._turn(state))

    def forget(self) -> None:
        """Nobody knows what holds now, or the state does: what had begun to last did not."""
        if self._pending is not None:
            self._timers.cancel(self._pending)
            self._pending = None

    def _turn(self, state: bool) -> None:
        self._pending = None
        self.state = state
        self._flip(state)


class Outlet:
    """A virtual resource that a rule makes."""

    __slots__ = ("_emit", "_every", "_last", "bad", "ref", "told")

    def __init__(self, around: Around, ref: Ref, every: float = 0.0) -> None:
        """`every`: seconds between values, by their own times."""
        self._emit, self.ref = around.emit, ref
        self._every = int(every * 1e9)
        self._last: int | None = None
        self.bad = False
        self.told = 0

    def put(self, value: Any, at: int) -> None:
        if self._every and self._last is not None and not self.bad and 0 <= at - self._last < self._every:
            return
        self._last, self.bad = at, False
        self.told += 1
        self._emit(self.ref, value, at, GOOD)

    def spoil(self, quality: Quality, at: int) -> None:
        """There is no value any more; told once."""
        if not self.bad:
            self.bad = True
            self.told += 1
            self._emit(self.ref, None, at, quality)
