"""What was told last of one source, put together from whole events and partial ones."""

from collections.abc import Collection, Mapping
from typing import Any, cast

from gateway.model.reading import Event, Quality, Source
from gateway.runtime.lanes.columns import part, put


class Last:
    """The newest values of one source with their quality and source times. To take a whole event costs next to nothing:
    its columns are kept as they are, and copied only when a partial one changes them."""

    __slots__ = (
        "_apart",
        "_origin",
        "_quality",
        "_seen",
        "_seen_all",
        "_shared",
        "_source",
        "_times",
        "_unknown",
        "_values",
    )

    def __init__(self, source: Source) -> None:
        count = len(source.resources)
        self._source = source
        self._values: list[Any] = [None] * count
        self._quality: dict[int, Quality] = {}
        self._times: Mapping[int, int] = {}
        self._apart: dict[int, float] = {}
        """By index, what was read by somebody since it was told, and until when it is not said again."""
        self._origin = 0
        self._shared = False
        """The columns are an event's too."""
        self._unknown = set(range(count))
        """Indexes of what was never told."""
        self._seen: set[int] = set()
        """Indexes of what was told since the last `again` …"""
        self._seen_all = False
        """… or all at once."""

    def take(self, event: Event) -> None:
        """Values as people see them."""
        self._origin = event.origin
        if self._apart:
            self._apart = {at: until for at, until in self._apart.items() if event.which and at not in event.which}
        if event.which is not None:
            self._merge(event, event.which)
            return
        self._values, self._quality, self._times = event.values, event.quality or {}, event.times or {}
        self._shared = self._seen_all = True
        if self._unknown:
            self._unknown = set()

    def _merge(self, event: Event, which: tuple[int, ...]) -> None:
        if self._shared:
            self._values, self._quality, self._times = list(self._values), dict(self._quality), dict(self._times)
            self._shared = False
        values = self._values
        for index, value in zip(which, event.values, strict=True):
            values[index] = value
        put(self._quality, which, event.quality)
        put(cast(dict[int, int], self._times), which, event.times)  # our own since it is not shared
        self._seen.update(which)
        if self._unknown:
            self._unknown.difference_update(which)

    def read_apart(self, names: Collection[str], until: float) -> None:
        """Somebody read these: what they are now is newer than what was told, which is not said again until monotonic
        time `until`. By then the device has told it, or what it told before holds again."""
        for at, name in enumerate(self._source.names):
            if name in names:
                self._apart[at] = until

    def again(self, origin: int, now: float) -> Event | None:
        """What still holds at `origin` though not all of it was told since the last call; None: all was. Source times
        stay what they were. Of what was never told it says nothing: that would pass for a value. `now` is monotonic."""
        told = self._seen_all or len(self._seen) == len(self._values)
        self._seen_all = False
        self._seen.clear()
        if told:
            return None
        self._shared = True
        event = Event(self._source, origin, self._values, quality=self._quality or None, times=self._times or None)
        if not (self._unknown or self._apart):
            return event
        self._apart = {at: until for at, until in self._apart.items() if now < until}
        left_out = self._unknown.union(self._apart)
        holds = [index for index in range(len(self._values)) if index not in left_out]
        return part(event, holds) if holds else None

    def news(self, origin: int) -> Event:
        """The newest of what was told since the last call of this or `again`, which is something."""
        told = range(len(self._values)) if self._seen_all else sorted(self._seen)
        self._seen_all, self._seen, self._shared = False, set(), True
        event = Event(self._source, origin, self._values, quality=self._quality or None, times=self._times or None)
        return event if len(told) == len(self._values) else part(event, list(told))

    def stamps(self) -> dict[int, int]:
        """By index, the source time (ns) of what was told last; what came without one was heard to hold at the origin
        of the last event."""
        known = (index for index in range(len(self._values)) if index not in self._unknown)
        return {index: self._times.get(index, self._origin) for index in known}
