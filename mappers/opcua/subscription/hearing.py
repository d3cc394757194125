"""What notifications bring, on its way to whoever is told."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from statistics import median

from asyncua import ua

from gateway.model.abilities import Told
from gateway.model.contracts import Clock
from gateway.model.reading import Event, Source
from mappers.opcua import conditions
from mappers.opcua.codec.structure import Types
from mappers.opcua.subscription.outlet import Data, Target, events, is_time, ns

SKEWS = 15
"""Notifications whose time is compared with ours."""
STRUCTURE = ua.VariantType.ExtensionObject
OVERFLOW_MASK, OVERFLOW = 0x0C80, 0x0480
"""Info type DataValue with its overflow bit: values were lost beside this one (Part 4, 7.39.1)."""


class Hearing:
    """Of one session: by client handle, who gets what comes, and what came last."""

    def __init__(self, clock: Clock, counts: "Counter[str]", types: Types) -> None:
        self._clock, self._counts, self._types = clock, counts, types
        self.told: Told = _nobody
        self.missed: Callable[[Iterable[Source]], None] = _nobody
        """See `Backfills.missed`."""
        self.targets: dict[int, tuple[Target, ...]] = {}
        self.last: dict[int, Data] = {}
        """What was told last."""
        self.lost_events = False
        """The server said so; whoever sees to it puts it back."""
        self._skews: deque[float] = deque(maxlen=SKEWS)

    @property
    def skew_s(self) -> float | None:
        """See `Subscribes.skew_s`."""
        return median(self._skews) if self._skews else None

    def hear(self, message: ua.NotificationMessage) -> None:
        """A whole notification."""
        now, found = self._clock.now(), []
        for part in message.NotificationData:
            if isinstance(part, ua.DataChangeNotification):
                found += self._changes([(item.ClientHandle, item.Value) for item in part.MonitoredItems], now)
            elif isinstance(part, ua.EventNotificationList):
                found += self._events(part.Events, now)
        if is_time(message.PublishTime):
            self._skews.append((now - ns(message.PublishTime)) / 1e9)
        self.tell(found)

    def take(self, changes: list[tuple[int, Data]], now: int) -> None:
        """What somebody has read, as if it were told."""
        self.tell(self._changes(changes, now))

    def tell(self, found: list[Event]) -> None:
        """Whoever is told."""
        if found:
            self.told(found)

    def again(self, handles: Iterable[int], targets: Iterable[Target] | None = None) -> None:
        """What was told last of these, to `targets` (none: to all): what the server will not say again."""
        known = [(handle, self.last[handle]) for handle in handles if handle in self.last]
        to = self.targets if targets is None else dict.fromkeys([handle for handle, _ in known], tuple(targets))
        self.tell(events(known, to, self._clock.now()))

    def structures(self) -> list[int]:
        """Handles whose last value was a structure."""
        return [handle for handle, data in self.last.items() if data.Value.VariantType is STRUCTURE]

    def lose(self, handles: Iterable[int]) -> None:
        """Values of these may be missing."""
        self.missed({outlet.source for handle in handles for outlet, _, _ in self.targets.get(handle, ())})

    def forget(self, handle: int) -> None:
        """Nobody gets it any more."""
        self.targets.pop(handle, None)
        self.last.pop(handle, None)

    def _changes(self, changes: list[tuple[int, Data]], now: int) -> list[Event]:
        if any([data.StatusCode.value for _, data in changes]):  # noqa: C419  a list is faster
            self._overflown(changes)
        self.last.update(changes)
        if len(self.last) > len(self.targets):
            self.last = {handle: data for handle, data in self.last.items() if handle in self.targets}
        return events(changes, self.targets, now)

    def _overflown(self, changes: list[tuple[int, Data]]) -> None:
        """The server's queue of these was too short."""
        lost = [handle for handle, data in changes if data.StatusCode.value & OVERFLOW_MASK == OVERFLOW]
        if lost:
            self._counts["overflow"] += len(lost)
            self.lose(lost)

    def _events(self, told: Iterable[ua.EventFieldList], now: int) -> Iterator[Event]:
        """Each event by itself, in order."""
        for one in told:
            if conditions.lost(one.EventFields):
                self._counts["overflow"] += 1
                self.lost_events = True
            value = conditions.value(one.EventFields, self._types)
            if value is not None:
                for outlet, _, index in self.targets.get(one.ClientHandle, ()):
                    yield outlet.one(index, value, now, conditions.time_of(one.EventFields))


def _nobody(_: object) -> None:
    """Before somebody listens."""
