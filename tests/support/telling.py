"""Scripted wires whose devices tell by themselves and remember: the contracts `Subscribes` and `Backfills`.

line = scene.world.lines["L"] = TellingLine()
line.tell(1, A=5)              # unit 1 says so to whoever has subscribed
line.cut("the cable was pulled")
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.abilities import Backfills, Gaps, Subscribes, Told
from gateway.model.contracts import Clock
from gateway.model.errors import NotConnected
from gateway.model.plan import Poll
from gateway.model.reading import Event, Quality, Source
from gateway.runtime.lanes.columns import part
from tests.support.mapper import Line, ScriptedMapper, ScriptedPlan, Unit


@dataclass(eq=False)
class TellingLine(Line):
    """One server with its devices."""

    look_after: float = 10.0
    alive: bool = True
    skew_s: float | None = None
    read_instead: set[str] = field(default_factory=set)
    """Names of sources that the server does not take into a subscription."""
    subscribe_s: float = 0.0
    quiet: bool = False
    """Its sources are events, not values: at first it is told that nothing has happened yet."""
    dumb: bool = False
    """Subscribed is all they are: nothing is told."""
    subscribe_error: Exception | None = None
    subscribes: list[tuple[str, ...]] = field(default_factory=list)
    """`D.A` for each source of each call."""
    looks: list[float] = field(default_factory=list)
    """Monotonic times."""
    look_error: Exception | None = None
    """What the next look finds."""
    counts: Counter[str] = field(default_factory=Counter)
    stamps: dict[str, int] = field(default_factory=dict)
    """Source time of what a resource holds now."""
    past: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    """What the server remembers of a resource: times (ns) and values, oldest first."""
    page: int = 3
    """Values of one page of the past."""
    endless: bool = False
    """There is always more to ask for, and never a value."""
    past_error: Exception | None = None
    pages: list[tuple[str, Gaps]] = field(default_factory=list)
    """What was asked of the past, by source."""
    session: "TellingMapper | None" = None

    def __post_init__(self) -> None:
        self.mapper = TellingMapper

    def tell(self, unit: int, time: int | None = None, bad: Any = None, **values: Any) -> None:
        """One notification: of every source of the unit what it has of these. `time`: the source time of all."""
        self.unit(unit).values.update(values)
        if time is not None:
            self.stamps.update(dict.fromkeys(values, time))
        if self.session is not None:
            self.session.tell(unit, set(values), bad)

    def cut(self, why: str) -> None:
        """The connection is gone, and the other side noticed."""
        assert self.session is not None
        self.session.gone.set_result(why)


class TellingMapper(ScriptedMapper):
    """Implements `Mapper`, `Subscribes` and `Backfills`."""

    line: TellingLine

    def __init__(self, line: TellingLine, clock: Clock) -> None:
        super().__init__(line, clock)
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.polls: dict[Poll, None] = {}
        self._told: Told | None = None
        self.missed: Callable[[Iterable[Source]], None] = lambda _: None

    @property
    def counts(self) -> Counter[str]:
        return self.line.counts

    @property
    def alive(self) -> bool:
        return self.line.alive

    @property
    def skew_s(self) -> float | None:
        return self.line.skew_s

    @property
    def look_after(self) -> float:
        return self.line.look_after

    async def connect(self) -> None:
        await super().connect()
        self.line.session = self

    async def subscribe(self, polls: Sequence[Poll], told: Told) -> Sequence[Poll]:
        line, self._told = self.line, told
        self._enter()
        try:
            line.subscribes.append(tuple(f"{p.device}.{s.name}" for p in polls for s in p.sources))
            if line.subscribe_error is not None:
                raise line.subscribe_error
            if line.subscribe_s:
                await self.clock.sleep(line.subscribe_s)
            read = [poll for poll in polls if any(source.name in line.read_instead for source in poll.sources)]
            new = [poll for poll in polls if poll not in self.polls and poll not in read]
            self.polls = dict.fromkeys(poll for poll in polls if poll not in read)
            sources = {source: poll.plan.unit for poll in new for source in poll.sources}
            events = [self.event(source, line.unit(unit)) for source, unit in sources.items()]  # type: ignore[arg-type]
            if line.quiet:
                events = [_quiet(source, self.clock.now()) for source in sources]
            if events and not line.dumb:
                told(events)
            return read
        finally:
            line.busy -= 1

    async def look(self) -> None:
        self._enter()
        self.line.busy -= 1
        self.line.looks.append(self.clock.monotonic())
        if self.line.look_error is not None:
            raise self.line.look_error

    async def lost(self) -> str:
        return await asyncio.shield(self.gone)

    async def close(self) -> None:
        await super().close()
        self._told = None
        if self.line.session is self:
            self.line.session = None

    @property
    def subscribed(self) -> bool:
        return self._told is not None

    def event(self, source: Source, unit: Unit) -> Event:
        event, stamps = super().event(source, unit), self.line.stamps
        event.times = {index: stamps[name] for index, name in enumerate(source.names) if name in stamps} or None
        return event

    def tell(self, unit: int, names: set[str], bad: Any) -> None:
        if self._told is None:
            return
        sources = dict.fromkeys(s for p in self.polls if p.plan.unit == unit for s in p.sources)
        found = [self._part(source, unit, names) for source in sources]
        events = [event for event in found if event.values]
        for event in events:
            if bad is not None:
                event.values, event.quality = [None] * len(event.values), dict.fromkeys(range(len(event.values)), bad)
        self._told(events)

    def say(self, *events: Event) -> None:
        """One notification of just these."""
        assert self._told is not None
        self._told(list(events))

    def _part(self, source: Source, unit: int, names: set[str]) -> Event:
        event = self.event(source, self.line.unit(unit))
        which = tuple(index for index, name in enumerate(source.names) if name in names)
        if len(which) == len(source.names):
            return event
        return part(event, list(which))

    async def history(self, plan: ScriptedPlan, source: Source, gaps: Gaps) -> tuple[list[Event], Gaps]:
        assert source in plan.sources
        line = self.line
        line.pages.append((source.name, dict(gaps)))
        line.log.append(f"past {plan.unit} {' '.join(gaps)}")
        await self.exchange(line.unit(plan.unit))
        if line.past_error is not None:
            raise line.past_error
        if line.endless:
            return [], gaps
        missed: dict[int, dict[int, Any]] = {}
        for name, (after, before) in gaps.items():
            for time, value in line.past.get(name, ()):
                if after < time < before:
                    missed.setdefault(time, {})[source.names.index(name)] = value
        times = sorted(missed)[: line.page]
        events = [Event(source, t, [*missed[t].values()], which=(*missed[t],), historical=True) for t in times]
        if len(missed) <= line.page:
            return events, {}
        return events, {name: (max(after, times[-1]), before) for name, (after, before) in gaps.items()}

    def _enter(self) -> None:
        assert self.line.busy == 0, "calls on one mapper overlap"
        if not self.line.up:
            raise NotConnected("the connection was closed by the other side")
        self.line.busy += 1


def _types(mapper: TellingMapper) -> tuple[Subscribes, Backfills[ScriptedPlan], Mapping[str, Any]]:
    """The type checker proves that the contracts are met."""
    return mapper, mapper, {}


def _quiet(source: Source, origin: int) -> Event:
    """As the OPC UA mapper says that no event has come yet."""
    count = len(source.resources)
    quality = dict.fromkeys(range(count), Quality("uncertain", "device", "no event yet"))
    return Event(source, origin, [None] * count, quality=quality, repeat=True)
