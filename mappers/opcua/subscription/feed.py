"""What is to be told: sources of polls, their resources, and who gets what comes for them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from asyncua import ua

from gateway.model.plan import Poll
from gateway.model.reading import Event, Quality, Source
from mappers.opcua.address import At
from mappers.opcua.conditions import event_filter
from mappers.opcua.plan import OpcuaPlan
from mappers.opcua.point import Kind, Point
from mappers.opcua.subscription.item import Item, Wish
from mappers.opcua.subscription.outlet import Outlet, Reader, Target

WRITE_ONLY = Quality("bad", "config", "write-only")
QUIET = Quality("uncertain", "device", "no event yet")
"""Of events, which may not happen for days: that nothing is told is no failure."""
Key: TypeAlias = tuple[Poll, Source]


@dataclass(slots=True, eq=False)
class Want:
    """One resource that is to be told."""

    point: Point
    at: At
    index: int
    """In its source."""
    outlet: Outlet
    interval: float
    """Of its poll, in seconds."""
    item: Item | None = None
    """What watches it; None: nothing does, see `wrong`."""
    wrong: Quality | None = None
    said: Quality | None = None
    """Of `wrong`, what was told."""

    @property
    def target(self) -> Target:
        """Where it goes."""
        return self.outlet, self.outlet.bucket, self.index

    @property
    def places(self) -> list[At]:
        """What must be found on the server: the node, and for events their type."""
        return [self.at] if self.point.event_type is None else [self.at, self.point.event_type]

    @property
    def is_structure(self) -> bool:
        """What it holds has parts, as far as the profile tells."""
        return self.point.kind is Kind.VALUE and (bool(self.point.field) or self.point.element == "Object")

    def wish(self, nodes: Sequence[ua.NodeId]) -> Wish:
        """`nodes`: of `places`."""
        if self.point.kind is not Kind.EVENTS:
            return Wish.of(self.point, nodes[0], self.interval)
        return Wish(nodes[0], 0.0, events=event_filter(nodes[1], self.point.severity), owner=id(self))


@dataclass(slots=True, eq=False)
class Feed:
    """One source that is told."""

    outlet: Outlet
    wants: list[Want]
    never: dict[int, Quality]
    """By index, what nobody can tell; said once."""

    def quiet(self, origin: int) -> Event | None:
        """That events, if there are any in it, are listened for; None: there are none."""
        which = tuple(want.index for want in self.wants if want.point.kind is Kind.EVENTS)
        if not which:
            return None
        all_of_it = len(which) == len(self.outlet.source.resources)
        said = dict.fromkeys(range(len(which)), QUIET)
        return Event(self.outlet.source, origin, [None] * len(which), None if all_of_it else which, said, repeat=True)

    def news(self, origin: int) -> Event | None:
        """What is wrong and was not said yet, as an Event; None: nothing."""
        quality, self.never = self.never, {}
        for want in self.wants:
            if want.wrong is not None and want.wrong != want.said:
                quality[want.index] = want.said = want.wrong
        if not quality:
            return None
        which = tuple(sorted(quality))
        all_of_it = len(which) == len(self.outlet.source.resources)
        said = {position: quality[index] for position, index in enumerate(which)}
        return Event(self.outlet.source, origin, [None] * len(which), None if all_of_it else which, said)


def feed(poll: Poll, source: Source, read_by: Callable[[Point], Reader]) -> Feed:
    """Of one source of a poll."""
    plan = _plan(poll)
    points = plan.points[plan.sources.index(source)]
    outlet = Outlet(source, [read_by(point) for point in points], plan.manner.source_times)
    wants, never = [], {}
    for index, (point, resource) in enumerate(zip(points, source.resources, strict=True)):
        if not resource.properties.read_write.readable or point.at is None:
            never[index] = WRITE_ONLY
        else:
            wants.append(Want(point, point.at, index, outlet, poll.interval))
    return Feed(outlet, wants, never)


def is_read(poll: Poll) -> bool:
    """It is read instead: not all of it is to be told (`OpcuaPlan.told`)."""
    plan = _plan(poll)
    return len(plan.told) < len(plan.sources)


def keys(polls: Iterable[Poll]) -> Iterator[Key]:
    """Every source once: at the shortest of the intervals at which it is wanted."""
    seen = set()
    for poll in sorted(polls, key=lambda one: one.interval):
        for source in poll.sources:
            if source not in seen:
                seen.add(source)
                yield poll, source


def sharing(polls: Iterable[Poll], read: Iterable[Poll]) -> set[Poll]:
    """Those that are `read`, and whoever shares a source with one of them: what is told and what is read of one source
    must not take turns."""
    found, new = set[Poll](), set(read)
    others = list(polls)
    while new:
        found |= new
        sources = {source for poll in new for source in poll.sources}
        new = {poll for poll in others if poll not in found and sources.intersection(poll.sources)}
    return found


def news(feeds: Iterable[Feed], origin: int) -> list[Event]:
    """See `Feed.news`."""
    return [event for one in feeds if (event := one.news(origin)) is not None]


def quiet(feeds: Iterable[Feed], origin: int) -> list[Event]:
    """See `Feed.quiet`."""
    return [event for one in feeds if (event := one.quiet(origin)) is not None]


def wants(feeds: Iterable[Feed]) -> Iterator[Want]:
    """All of them."""
    return (want for one in feeds for want in one.wants)


def _plan(poll: Poll) -> OpcuaPlan:
    assert isinstance(poll.plan, OpcuaPlan)
    return poll.plan
