"""What the mapper of a lane can beside reading and writing: its devices tell by themselves, or remember."""

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, NamedTuple

from gateway.model.abilities import Backfills, Subscribes
from gateway.model.contracts import Clock, Mapper, Publish
from gateway.model.errors import NoAnswer, NotConnected
from gateway.model.reading import Batch, Source
from gateway.runtime.lanes.feed import Feed, Listener
from gateway.runtime.lanes.line import Work
from gateway.runtime.lanes.past import Missing, Past
from gateway.runtime.lanes.polling import Polling
from gateway.runtime.lanes.schedule import Wheel
from gateway.runtime.lanes.wire import Wire

FAR_OFF_S = 60.0
"""A clock that is wrong by more is worth a note."""


class Beside(NamedTuple):
    """What is reported beside what every lane has; see `LaneReport`."""

    skew_s: float | None
    filled: int
    notes: tuple[str, ...]


class Abilities:
    """Of one lane; a mapper that can neither costs nothing."""

    def __init__(self, wire: Wire, wheel: Wheel, clock: Clock, publish: Publish, poke: Callable[[], None]) -> None:
        """`poke` wakes a lane that has nothing to do."""
        self._wire, self._wheel, self._clock = wire, wheel, clock
        self._publish, self._poke = publish, poke
        self._feed: Feed | None = None
        """While connected to devices that tell by themselves."""
        self._past: Past | None = None
        """Once connected to devices that remember."""

    # ---------------------------------------------------------------------------------------------------- a connection

    def begin(self, mapper: Mapper[Any], pollings: Iterable[Polling]) -> bool:
        """Connected. True: devices tell by themselves, and nothing is to be read before it was subscribed."""
        if isinstance(mapper, Backfills):
            self._past = self._past or Past()
            self._past.connected(self._clock.now())
            mapper.missed = self._missed
        if isinstance(mapper, Subscribes):
            listener = Listener(self._told, self._holds, self._poke)
            self._feed = Feed(mapper, self._wheel, self._clock, listener)
        self.add(pollings)
        return self._feed is not None

    def add(self, pollings: Iterable[Polling]) -> None:
        """Of a device that came, or of all."""
        for polling in pollings if self._past is not None else ():
            polling.remember()
        if self._feed is not None:
            self._feed.add(pollings)
            self._poke()

    def remove(self, pollings: Iterable[Polling]) -> None:
        if self._feed is not None:
            self._feed.remove(pollings)
            self._poke()

    async def during(self, serving: Coroutine[Any, Any, None]) -> None:
        """Serves, until the connection is lost. Raises NotConnected and what `serving` raises."""
        await (serving if self._feed is None else self._feed.during(serving))

    def lost(self, pollings: Iterable[Polling]) -> None:
        """Nothing comes any more."""
        self._count()
        self._feed = None
        if self._past is not None:
            self._past.lost(pollings)

    # ------------------------------------------------------------------------------------------------------- its turns

    @property
    def urgent(self) -> bool:
        """It is time to `tend`."""
        return self._feed is not None and self._feed.due

    async def tend(self, _: Mapper[Any]) -> None:
        """Subscribes, or looks whether what was told is true. Raises NotConnected."""
        assert self._feed is not None
        started = self._clock.monotonic()
        try:
            for polling in await self._feed.tend():
                polling.due()
        except NoAnswer as error:
            self._wire.errors["no_answer"] += 1
            self.unanswered(error)
        self._wire.used(started, 1)

    def leisure(self) -> Work | None:
        """What to do when nobody wants anything."""
        missing = self._past.next() if self._past is not None else None
        return None if missing is None else partial(self._fetch, missing)

    async def _fetch(self, missing: Missing, mapper: Mapper[Any]) -> None:
        """A page of what was missed. Raises NotConnected."""
        assert self._past is not None
        assert isinstance(mapper, Backfills)
        started, batch = self._clock.monotonic(), []
        try:
            batch = await self._past.page(mapper, missing)
        except NoAnswer as error:
            self._wire.errors["no_answer"] += 1
            self.unanswered(error)
        self._wire.used(started, 1)
        if batch and missing.polling.active:
            self._publish(batch)

    def unanswered(self, error: NoAnswer) -> bool:
        """One question was not answered. True: that need not concern anybody, what is subscribed is alive. Raises
        NotConnected where it is not."""
        if self._feed is None or not self._feed.feeds:
            return False
        if not self._feed.alive:
            raise NotConnected(f"nothing is told, and nothing answers: {error}")
        return True

    # ------------------------------------------------------------------------------------------------------ what comes

    def came(self, batch: Batch) -> None:
        """Live values, on their way to the bus."""
        self._publish(batch)
        if self._past is not None and self._past.waits:
            skew_s = self._feed.skew_s if self._feed is not None else None
            if self._past.heard(batch, skew_s or 0.0):
                self._poke()

    def _told(self, batch: Batch) -> None:
        self._wire.flows()
        self.came(batch)

    def _holds(self, batch: Batch) -> None:
        self._wire.flows()
        self._publish(batch)

    def _missed(self, sources: Iterable[Source]) -> None:
        """Though the connection stayed."""
        for source in sources:
            polling = self._feed.hearer(source) if self._feed is not None else None
            if polling is not None and self._past is not None:
                self._past.missed(polling, (source,))

    # --------------------------------------------------------------------------------------------------------- reports

    def report(self) -> Beside:
        """Now."""
        self._count()
        skew_s = self._feed.skew_s if self._feed is not None else None
        notes = [] if skew_s is None or abs(skew_s) <= FAR_OFF_S else [_off(skew_s)]
        if self._past is not None:
            notes += self._past.notes()
        return Beside(skew_s, self._past.filled if self._past is not None else 0, tuple(notes))

    def _count(self) -> None:
        """What happened to subscriptions is counted with the errors of the connection."""
        if self._feed is not None:
            self._wire.errors.update(self._feed.counts)
            self._feed.counts.clear()


def _off(skew_s: float) -> str:
    which = "behind" if skew_s > 0 else "ahead of"
    return (
        f"the clock on the other side is {_length(abs(skew_s))} {which} ours; its times are kept as they are. Set that "
        "clock; or TimeStamps: gateway among the device's protocol properties lets the time of receipt count"
    )


def _length(seconds: float) -> str:
    """`90 s`, `49 min`, `3.2 h`, `12 days`."""
    if seconds < 7200:
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
