"""When polls are due: fixed rate on the monotonic clock, first at once, phases spread, overruns counted."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from gateway.model.abilities import Tells
from gateway.model.contracts import Clock
from gateway.model.device import AutoEvent, Device
from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError, Problem
from gateway.model.plan import Plan, Poll
from gateway.model.reading import Source

SLOT_S = 0.1
"""Polls start on this grid: at most ten wake-ups a second for any number of devices …"""
MAX_SLOTS = 600
"""… and slow polls are spread over at most a minute."""
CROWD = 1500
"""A slot with so much work holds the loop for some milliseconds: when every slot has it, more are opened half way
between them …"""
NARROWEST_S = 0.005
"""… no closer than this."""
CYCLE_S = 1.0
"""Slower polls of one connection are spread over cycles of this length, at one phase of them."""
POLL_WORK = 50
"""What a poll costs besides its values, in values."""
EARLY_S = 0.002
"""Event loops may wake that much too soon; due is due."""


def polls_of(
    device: Device,
    sources: Mapping[str, Source],
    auto_events: Sequence[AutoEvent],
    plan: Callable[[Sequence[Source]], Plan],
) -> tuple[Poll, ...]:
    """One Poll per interval, or two where its device tells only some of its sources by itself (`Tells`). `sources` also
    has the selections that autoEvents make by regular expression. Of two autoEvents with one source and interval, the
    one that reports more counts. Raises ConfigError naming every autoEvent whose source is not there or cannot be read,
    and what `plan` raises."""
    groups: dict[float, dict[str, tuple[Source, AutoEvent]]] = {}
    problems = []
    for index, event in enumerate(auto_events):
        source = sources.get(event.source_name)
        if source is None or not all(r.properties.read_write.readable for r in source.resources):
            what = f"auto event source '{event.source_name}' of device {device.name} names nothing that can be read"
            problems.append(Problem(f"autoEvents[{index}].sourceName", what))
            continue
        group = groups.setdefault(parse_duration(event.interval), {})
        known = group.get(event.source_name)
        if known is None or _reports_more(event, known[1]):
            group[event.source_name] = source, event
    if problems:
        raise ConfigError(problems)
    return tuple(poll for interval, group in groups.items() for poll in _polls(device, interval, group.values(), plan))


def _polls(
    device: Device,
    interval: float,
    group: Collection[tuple[Source, AutoEvent]],
    plan: Callable[[Sequence[Source]], Plan],
) -> list[Poll]:
    """What is told and what is read are apart: a poll is one or the other as a whole."""
    poll = _poll(device, interval, group, plan)
    told = poll.plan.told if isinstance(poll.plan, Tells) else ()
    if not 0 < len(told) < len(group):
        return [poll]
    parts = [one for one in group if one[0] in told], [one for one in group if one[0] not in told]
    return [_poll(device, interval, part, plan) for part in parts]


def _poll(
    device: Device,
    interval: float,
    group: Collection[tuple[Source, AutoEvent]],
    plan: Callable[[Sequence[Source]], Plan],
) -> Poll:
    sources = tuple(source for source, _ in group)
    return Poll(device.name, interval, sources, tuple(event for _, event in group), plan(sources))


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


class _Slots:
    """Phases of one interval and the work at each, in values."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        count = max(1, int(interval / SLOT_S + 1e-9))
        self._apart = interval / count
        count = min(count, MAX_SLOTS)
        self.phases = [slot * self._apart for slot in range(count)]
        self.work = [0] * count

    def least(self, near: float | None) -> int:
        """The slot for one more poll; of those as near as can be to the phase `near` of each cycle, if given."""
        if min(self.work) >= CROWD and self._apart / 2 >= NARROWEST_S:
            self._apart /= 2
            between = [phase + self._apart for phase in self.phases if phase + self._apart < self._interval]
            self.phases += between
            self.work += [0] * len(between)
        slots = range(len(self.phases))
        if near is None:
            return min(slots, key=lambda slot: self.work[slot])
        return min(slots, key=lambda slot: (self._away(slot, near), self.work[slot]))

    def _away(self, slot: int, near: float) -> float:
        """Seconds from a slot to that phase, whichever cycle it is in."""
        cycle = min(self._interval, CYCLE_S)
        away = (self.phases[slot] - near) % cycle
        return round(min(away, cycle - away), 6)


class Slot(NamedTuple):
    """When one poll starts: `phase` seconds after every multiple of its interval."""

    interval: float
    number: int
    phase: float
    work: int


class Phases:
    """Gives polls of one interval different phases: the least used slot of the grid, and of a finer one in a crowd.
    Polls of one connection are kept together, since they go one after another anyhow: what the connection has to spare
    is then one gap in each cycle."""

    def __init__(self) -> None:
        self._of: dict[float, _Slots] = {}

    def take(self, interval: float, work: int, near: float | None = None) -> Slot:
        """A slot for a poll that costs `work`, in values. `near`: the phase of the connection's other polls."""
        slots = self._of.setdefault(interval, _Slots(interval))
        number = slots.least(near)
        slots.work[number] += work
        return Slot(interval, number, slots.phases[number], work)

    def give_back(self, slot: Slot) -> None:
        slots = self._of[slot.interval]
        slots.work[slot.number] -= slot.work
        if not any(slots.work):
            del self._of[slot.interval]


def work_of(poll: Poll) -> int:
    """What a poll costs, in values."""
    return POLL_WORK + sum(len(source.resources) for source in poll.sources)


class Beat:
    """Calls `due` once at the start and then at a fixed rate, whatever the wall clock does."""

    def __init__(self, wheel: Wheel, clock: Clock, slot: Slot, due: Callable[[int], None]) -> None:
        """`due` is given how many beats were missed since the last one (the machine slept, the loop was blocked)."""
        self._wheel, self._clock, self.slot, self._due = wheel, clock, slot, due
        now = clock.monotonic()
        # The second poll comes at the phase, half an interval to one and a half after the first.
        self._count = math.ceil((now + slot.interval / 2 - slot.phase) / slot.interval)
        self._timer = wheel.at(now, self._first)

    @property
    def next(self) -> float:
        """Monotonic time of the next beat."""
        return self.slot.phase + self._count * self.slot.interval

    def stop(self) -> None:
        self._timer.cancel()

    def _first(self) -> None:
        self._set()
        self._due(0)

    def _set(self) -> None:
        self._timer = self._wheel.at(self.next, self._beat)

    def _beat(self) -> None:
        now = self._clock.monotonic()
        elapsed = math.floor((now + EARLY_S - self.slot.phase) / self.slot.interval)
        missed = max(0, elapsed - self._count)
        self._count += missed + 1
        self._set()
        self._due(missed)
