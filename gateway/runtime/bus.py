"""Where every batch goes: taps in the same turn, the journal, and bounded queues of whoever watches live."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Protocol, Self

from gateway.model.reading import Batch, Event, Record

STEP_NS = 1_000_000_000
"""An origin further behind than this is no jitter: somebody set the wall clock back, and its word is taken."""

Tap = Callable[[Batch], None]
log = logging.getLogger(__name__)


class Appends(Protocol):
    """The part of the store the bus needs."""

    def append(self, batch: Batch) -> int: ...


class Bus:
    """`publish` is the contract's `Publish`: never blocks, never raises. Origins leave strictly increasing per device
    service, except across a step of the wall clock."""

    def __init__(self, journal: Appends) -> None:
        self._journal = journal
        self._taps: list[Tap] = []
        self._watchers: list[Subscription] = []
        self._last: dict[str, int] = {}
        self._publishing = False
        self._after: deque[Batch] = deque()
        """What taps published of the batch that is being handed on."""
        self.published = 0
        """Records so far."""
        self.suppressed = 0
        """Of these, events that said nothing new and were not kept."""
        self.failures = 0
        """Taps that raised: our bugs, logged with their trace."""

    def tap(self, call: Tap) -> None:
        """`call` gets every batch, repeats too, in the same turn. It must not block or keep the list."""
        self._taps.append(call)

    def publish(self, batch: Batch) -> None:
        """Stamps, then hands to the taps, the journal and the watchers, in that order. What a tap publishes, such as
        the alarm about a reading, comes after the batch it was told."""
        if self._publishing:
            self._after.append(batch)
            return
        self._publishing = True
        try:
            self._hand_on(batch)
            while self._after:
                self._hand_on(self._after.popleft())
        finally:
            self._publishing = False

    def _hand_on(self, batch: Batch) -> None:
        repeats = self._stamp(batch)
        for tap in self._taps:
            try:
                tap(batch)
            except Exception:
                self.failures += 1
                log.exception("A tap of the bus failed; the batch goes on without it")
        kept = batch if not repeats else [one for one in batch if not (isinstance(one, Event) and one.repeat)]
        self.published += len(batch)
        self.suppressed += repeats
        if kept:
            self._journal.append(kept)
        for watcher in self._watchers:
            watcher.put(batch)

    def _stamp(self, batch: Batch) -> int:
        """Makes origins strictly increasing; returns how many events are repeats."""
        repeats, last = 0, self._last
        for record in batch:
            if type(record) is Event:
                if record.historical:
                    continue
                service, repeat = record.source.service, record.repeat
                repeats += repeat
                before = last.get(service, 0)
                if before >= record.origin > before - STEP_NS:
                    record.origin = before + 1
                last[service] = record.origin
        return repeats

    def subscribe(self, maxsize: int = 1000) -> "Subscription":
        """A live view of at most `maxsize` records; what does not fit pushes the oldest out, counted. Iterate it, and
        close it (or use `with`)."""
        watcher = Subscription(self, maxsize)
        self._watchers.append(watcher)
        return watcher

    def leave(self, watcher: "Subscription") -> None:
        """Idempotent."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    @property
    def watchers(self) -> int:
        return len(self._watchers)


class Subscription:
    """Batches as they come, as many records at once as have gathered."""

    def __init__(self, bus: Bus, maxsize: int) -> None:
        self._bus = bus
        self._records: deque[Record] = deque(maxlen=maxsize)
        self._come = asyncio.Event()
        self._closed = False
        self.dropped = 0
        """Records that were pushed out unread."""

    def put(self, batch: Batch) -> None:
        """From the bus."""
        room = self._records.maxlen or 0
        self.dropped += max(0, len(self._records) + len(batch) - room)
        self._records.extend(batch)
        self._come.set()

    def close(self) -> None:
        """Ends the iteration; what is left is forgotten."""
        self._closed = True
        self._records.clear()
        self._bus.leave(self)
        self._come.set()

    async def __aiter__(self) -> AsyncIterator[list[Record]]:
        while True:
            await self._come.wait()
            self._come.clear()
            if self._closed:
                return
            batch = list(self._records)
            self._records.clear()
            if batch:
                yield batch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
