"""What the devices of one connection tell by themselves, as long as it lasts: subscribed, heard, and looked after."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from gateway.model.abilities import Subscribes
from gateway.model.contracts import Clock, Publish
from gateway.model.errors import NoAnswer, NotConnected
from gateway.model.plan import Poll
from gateway.model.reading import Event, Source
from gateway.runtime.lanes.polling import Polling, has_good
from gateway.runtime.lanes.schedule import Wheel


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of a feed."""

    told: Publish
    """What devices tell."""
    holds: Publish
    """What they have told before and what still holds."""
    due: Callable[[], None]
    """That it is time to `tend`."""


class Feed:
    """One session of a mapper that subscribes. Its polls are fed by what is told; at their beats they say again what
    still holds, and only while the other side is alive."""

    def __init__(self, mapper: Subscribes, wheel: Wheel, clock: Clock, listener: Listener) -> None:
        self._mapper, self._wheel, self._clock, self._listener = mapper, wheel, clock, listener
        self._polls: dict[Poll, Polling] = {}
        self._hearers: dict[Source, Polling] = {}
        self._slower: dict[Source, list[Polling]] = {}
        """Who else wants what a hearer hears; it comes to them at their beats."""
        self._subscribed: frozenset[Poll] = frozenset()
        self._others = True
        """The polls are other ones than those that were subscribed."""
        self._look = False
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """By a mistake of our own in what was told."""
        self._timer = wheel.at(clock.monotonic() + mapper.look_after, self._look_now)

    # ------------------------------------------------------------------------------------------------- who is served

    def add(self, pollings: Iterable[Polling]) -> None:
        """They are not read until it is known that they are to be."""
        for polling in pollings:
            self._polls[polling.poll] = polling
            polling.listen(self._again)
        self._others = True

    def remove(self, pollings: Iterable[Polling]) -> None:
        for polling in pollings:
            self._polls.pop(polling.poll, None)
        self._others = True

    def hearer(self, source: Source) -> Polling | None:
        """Who hears of a source."""
        return self._hearers.get(source)

    @property
    def feeds(self) -> bool:
        """Something is subscribed."""
        return bool(self._hearers)

    @property
    def alive(self) -> bool:
        """See `Subscribes.alive`."""
        return self._mapper.alive

    @property
    def skew_s(self) -> float | None:
        """See `Subscribes.skew_s`."""
        return self._mapper.skew_s

    @property
    def counts(self) -> Counter[str]:
        """See `Subscribes.counts`."""
        return self._mapper.counts

    # ------------------------------------------------------------------------------------------------------ its work

    @property
    def due(self) -> bool:
        """It is time to `tend`."""
        return self._others or self._look

    async def tend(self) -> list[Polling]:
        """Subscribes where polls are other ones than before, else looks whether what was told is true. Returns the
        polls that are to be read from now on. Raises NotConnected; NoAnswer, if it is alive all the same."""
        if self._others:
            try:
                return await self._subscribe()
            except NoAnswer as error:
                raise NotConnected(f"it does not answer to a subscription: {error}") from None
        self._look = False
        try:
            await self._mapper.look()
        finally:
            self._timer = self._wheel.at(self._clock.monotonic() + self._mapper.look_after, self._look_now)
        return []

    async def _subscribe(self) -> list[Polling]:
        self._others = False
        self._route()
        given = list(self._polls)
        to_read = set(await self._mapper.subscribe(given, self._told))
        found = []
        for poll, polling in self._polls.items():
            if poll not in to_read:
                polling.listen(self._again)
            elif polling.listens:
                polling.stop_listening(to_be_read=True)
                found.append(polling)
        self._subscribed = frozenset(given) - to_read
        self._route()
        return found

    def _route(self) -> None:
        """Of several polls of one source the fastest hears it, for all of them."""
        listening = [polling for polling in self._polls.values() if polling.listens]
        self._hearers, self._slower = {}, {}
        for polling in sorted(listening, key=lambda one: one.poll.interval):
            for source in polling.poll.sources:
                if self._hearers.setdefault(source, polling) is not polling:
                    self._slower.setdefault(source, []).append(polling)

    def _look_now(self) -> None:
        self._look = True
        self._listener.due()

    # ---------------------------------------------------------------------------------------------------- what comes

    def _told(self, events: list[Event]) -> None:
        try:
            self._hear(events)
        except Exception as bug:  # noqa: BLE001  ends the session, which says so
            if not self._broken.done():
                self._broken.set_exception(bug)

    def _hear(self, events: list[Event]) -> None:
        now = self._clock.monotonic()
        batch: list[Event] = []
        heard: dict[Polling, int] = {}
        for event in events:
            polling = self._hearers.get(event.source)
            if polling is not None and polling.active:
                is_news = not event.repeat  # that nothing has happened yet is none
                batch += polling.hear(event, now)
                for slower in self._slower.get(event.source, ()) if is_news else ():
                    slower.hold(event)
                if is_news:
                    heard[polling] = event.origin if has_good(event) else heard.get(polling, 0)
        for polling, origin in heard.items():
            polling.count(origin, now)
        if batch:
            self._listener.told(batch)

    def _again(self, polling: Polling) -> None:
        """The beat of a poll that is fed."""
        if polling.poll in self._subscribed and self._mapper.alive:
            batch = polling.again(self._clock.now(), self._clock.monotonic())
            if batch:
                self._listener.holds(batch)

    # -------------------------------------------------------------------------------------------------------- its end

    async def during(self, serving: Coroutine[Any, Any, None]) -> None:
        """Serves until the connection is lost, or as long as it can. Raises NotConnected and what `serving` raises."""
        work = asyncio.create_task(serving)
        lost = asyncio.create_task(self._mapper.lost())
        try:
            await asyncio.wait((work, lost, self._broken), return_when=asyncio.FIRST_COMPLETED)
            for one in (work, self._broken):
                if one.done():
                    one.result()
            raise NotConnected(lost.result())
        finally:
            self.end()
            lost.cancel()
            work.cancel()
            await asyncio.gather(work, lost, self._broken, return_exceptions=True)

    def end(self) -> None:
        """Nothing is heard any more."""
        self._timer.cancel()
        self._hearers = {}
        for polling in self._polls.values():
            polling.stop_listening()
        self._broken.cancel()
