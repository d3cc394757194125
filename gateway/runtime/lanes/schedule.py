"""When polls are due: fixed rate on the monotonic clock, first at once, phases spread, overruns counted."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from gateway.model.contracts import Clock
from gateway.model.device import AutoEvent, Device
from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError, Problem
from gateway.model.plan import Plan, Poll
from gateway.model.reading import Source
from gateway.runtime.regex.posix import BadPattern
from gateway.runtime.sources import select_among

SLOT_S = 0.1
"""Polls start on this grid: at most ten wake-ups a second for any number of devices …"""
MAX_SLOTS = 600
"""… and slow polls are spread over at most a minute."""
CROWD = 10
"""Polls more often than once a second start together until they are so many; then more slots are opened within their
interval, up to ten, so that hundreds of fast polls do not make the loop late in one burst …"""
NARROWEST_S = 0.005
"""… no closer than this."""
EARLY_S = 0.002
"""Event loops may wake that much too soon; due is due."""


def polls_of(
    device: Device,
    sources: Mapping[str, Source],
    auto_events: Sequence[AutoEvent],
    plan: Callable[[Sequence[Source]], Plan],
) -> tuple[Poll, ...]:
    """One Poll per interval. Of two autoEvents with one source and interval, the one that reports more counts. Raises
    ConfigError naming every autoEvent whose source is not there or cannot be read, and what `plan` raises."""
    groups: dict[float, dict[str, tuple[Source, AutoEvent]]] = {}
    problems = []
    for index, event in enumerate(auto_events):
        source = _source_of(sources, event.source_name)
        if source is None:
            what = f"auto event source '{event.source_name}' of device {device.name} names nothing that can be read"
            problems.append(Problem(f"autoEvents[{index}].sourceName", what))
            continue
        group = groups.setdefault(parse_duration(event.interval), {})
        known = group.get(event.source_name)
        if known is None or _reports_more(event, known[1]):
            group[event.source_name] = source, event
    if problems:
        raise ConfigError(problems)
    return tuple(_poll(device, interval, list(group.values()), plan) for interval, group in groups.items())


def _poll(
    device: Device,
    interval: float,
    group: Sequence[tuple[Source, AutoEvent]],
    plan: Callable[[Sequence[Source]], Plan],
) -> Poll:
    sources = tuple(source for source, _ in group)
    return Poll(device.name, interval, sources, tuple(event for _, event in group), plan(sources))


def _source_of(sources: Mapping[str, Source], name: str) -> Source | None:
    source = sources.get(name)
    if source is None:
        with suppress(BadPattern):
            return select_among(sources, name)
        return None
    return source if all(r.properties.read_write.readable for r in source.resources) else None


def _reports_more(one: AutoEvent, other: AutoEvent) -> bool:
    if one.on_change != other.on_change:
        return other.on_change
    return one.on_change_threshold < other.on_change_threshold


class Timer:
    """A call that is to come; `cancel` forgets it."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class Wheel:
    """All timers of all lanes in one task. Calls must not block or raise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._earlier = asyncio.Event()
        self._sleeping_until = math.inf

    def at(self, when: float, call: Callable[[], None]) -> Timer:
        """Calls at monotonic time `when`, or as soon as possible when that is over."""
        timer = Timer(call)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        if when < self._sleeping_until:
            self._earlier.set()
        return timer

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._call_due()
            delay = self._heap[0][0] - self._clock.monotonic() if self._heap else None
            self._sleeping_until = self._heap[0][0] if self._heap else math.inf
            self._earlier.clear()
            with suppress(TimeoutError):
                async with self._clock.timeout(None if delay is None else max(delay, 0.0)):
                    await self._earlier.wait()

    def _call_due(self) -> None:
        self._sleeping_until = -math.inf  # nothing that comes now needs to wake anybody
        due = self._clock.monotonic() + EARLY_S
        while self._heap and self._heap[0][0] <= due:
            call = heapq.heappop(self._heap)[2].call
            if call is not None:
                call()


class Phases:
    """Gives polls of one interval different phases on the grid."""

    def __init__(self) -> None:
        self._used: dict[float, list[int]] = {}

    def take(self, interval: float) -> tuple[int, float]:
        """A slot of this interval and its phase in seconds: the least used one on the grid; below a second the first
        that is not crowded."""
        coarse = int(interval / SLOT_S + 1e-9)
        fine = interval < 10 * SLOT_S
        count = max(1, min(10, int(interval / NARROWEST_S))) if fine else min(MAX_SLOTS, coarse)
        used = self._used.setdefault(interval, [0] * count)
        roomy = (slot for slot, polls in enumerate(used) if fine and polls < CROWD)
        slot = next(roomy, used.index(min(used)))
        used[slot] += 1
        return slot, slot * (interval / count if fine else SLOT_S)

    def give_back(self, interval: float, slot: int) -> None:
        used = self._used[interval]
        used[slot] -= 1
        if not any(used):
            del self._used[interval]


class Beat:
    """Calls `due` once at the start and then at a fixed rate, whatever the wall clock does."""

    def __init__(self, wheel: Wheel, clock: Clock, phases: Phases, interval: float, due: Callable[[int], None]) -> None:
        """`due` is given how many beats were missed since the last one (the machine slept, the loop was blocked)."""
        self._wheel, self._clock, self._phases = wheel, clock, phases
        self._interval, self._due = interval, due
        self._slot, phase = phases.take(interval)
        now = clock.monotonic()
        # The second poll comes at the phase, half an interval to one and a half after the first.
        self._count = math.ceil((now + interval / 2 - phase) / interval)
        self._phase = phase
        self._timer = wheel.at(now, self._first)

    def stop(self) -> None:
        self._timer.cancel()
        self._phases.give_back(self._interval, self._slot)

    def _first(self) -> None:
        self._set()
        self._due(0)

    def _set(self) -> None:
        self._timer = self._wheel.at(self._phase + self._count * self._interval, self._beat)

    def _beat(self) -> None:
        now = self._clock.monotonic()
        elapsed = math.floor((now + EARLY_S - self._phase) / self._interval)
        missed = max(0, elapsed - self._count)
        self._count += missed + 1
        self._set()
        self._due(missed)
