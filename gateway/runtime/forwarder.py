"""Journal → exporter, with a cursor: retry, back-off, acknowledgement; live values first, the backlog beside them.

Neither loop holds more than one batch: what cannot be sent stays in the journal. Order holds per device within live and
within historical.
"""

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from gateway.model.contracts import Clock, Exporter, Store
from gateway.model.errors import NotConnected, NotTaken, StoreFailed
from gateway.model.health import ConsumerReport
from gateway.model.letter import DeadLetters
from gateway.model.reading import Batch, Record
from gateway.runtime.clock import backoff
from gateway.runtime.delivery import Delivery, Select

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """How one consumer is fed."""

    linger_s: float = 0.002
    """Small events wait so long for company."""
    batch: int = 256
    backlog_batch: int = 64
    backlog_rate: float = 2000.0
    """Records of the backlog a second, at most."""
    late_s: float = 2.0
    """A send held up longer than this: live goes on at the head, what piled up is backlog."""
    first_retry_s: float = 0.25
    longest_retry_s: float = 2.0
    steady_s: float = 10.0
    """A connection that held for so long was good; one that did not counts as a failed try, so that two gateways with
    one client id do not throw each other out four times a second."""
    tries: int = 3
    """How often a record that the other side refuses is sent before it is set aside."""


class Forwarder:
    """Feeds one exporter from one store. `run()` until cancelled."""

    def __init__(
        self,
        store: Store,
        exporter: Exporter,
        clock: Clock,
        name: str,
        settings: ForwardSettings | None = None,
        select: Select | None = None,
    ) -> None:
        """`select`: what of each record is wanted; the rest counts as taken."""
        self.name = name
        self._store = store
        self._exporter = exporter
        self._clock = clock
        self._settings = settings or ForwardSettings()
        self._delivery = Delivery(store, exporter, name, self._settings.tries, select)
        self._live = store.head
        """Everything up to this offset has been sent live or belongs to the backlog."""
        self._moved = asyncio.Event()
        """`_live` grew over something that was not acknowledged."""
        self._up = False
        """Between the exporter's connect and close."""
        self._connected = False
        self._doubted = False
        """It is there, and took nothing the last time."""
        self._reason = "not connected yet"
        self._told = False
        """That it is lost has been logged."""
        self._oldest = 0

    def remember(self, letters: DeadLetters) -> None:
        """Where records that were set aside are kept."""
        self._delivery.remember(letters)

    def report(self) -> ConsumerReport:
        pending = self._store.pending(self.name)
        behind = min(sum(last - first + 1 for first, last in pending), self._store.report().records)
        return ConsumerReport(
            name=self.name,
            connected=self._connected,
            reason="" if self._connected else self._reason,
            behind=behind,
            oldest=self._oldest if behind else 0,
            sent=self._delivery.sent,
            set_aside=self._delivery.set_aside,
        )

    # ------------------------------------------------------------------------------------------------- connection

    async def run(self) -> None:
        """Connects and forwards until cancelled; then only closes the exporter."""
        began = self._clock.monotonic()
        attempt = 0
        while True:
            steady, asked = math.inf, 0.0
            try:
                await self._exporter.connect()
                self._up = True
                if attempt or self._clock.monotonic() - began > self._settings.late_s:
                    self._live = self._store.head
                steady = self._clock.monotonic() + self._settings.steady_s
                if not self._doubted:
                    self._is_back()
                await self._both()
            except NotTaken as error:
                self._doubted, asked = True, error.wait_s
                self._is_lost(str(error))
            except NotConnected as error:
                self._doubted = False
                self._is_lost(str(error))
            except Exception as error:
                log.exception("%s: a bug of ours; connecting again", self.name)
                self._is_lost(f"internal error: {error}")
            finally:
                self._connected = self._up = False
                await self._exporter.close()
            attempt = 1 if self._clock.monotonic() >= steady else attempt + 1
            await self._peek()
            pause = backoff(attempt, self._settings.first_retry_s, self._settings.longest_retry_s)
            await self._clock.sleep(max(pause, asked))

    def _is_back(self) -> None:
        if self._told:
            log.info("%s: connected again", self.name)
        self._told = False
        self._connected, self._reason = True, ""

    def _is_lost(self, why: str) -> None:
        if not self._told:
            log.warning("%s: not connected: %s; values are kept in the journal", self.name, why)
        self._told = True
        self._connected, self._reason = False, why or "connection lost"

    async def _both(self) -> None:
        """Both loops, until one of them or the connection ends. Raises what ended it."""
        work = self._forward_live(), self._forward_backlog(), self._watch()
        loops = [asyncio.create_task(loop) for loop in work]
        try:
            await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for loop in loops:
                loop.cancel()
            ended = await asyncio.gather(*loops, return_exceptions=True)
        errors = [error for error in ended if isinstance(error, Exception)]
        if errors:
            raise errors[0]

    async def _watch(self) -> NoReturn:
        raise NotConnected(await self._exporter.lost())

    # ------------------------------------------------------------------------------------------------------- live

    async def _forward_live(self) -> None:
        settings = self._settings
        while True:
            head = await self._store.wait(self._live)
            if settings.linger_s and head - self._live < settings.batch:
                await self._clock.sleep(settings.linger_s)
            try:
                records = await self._store.read(self._live, settings.batch)
            except StoreFailed as error:
                log.warning("%s: %s; live goes on at the newest", self.name, error)
                records = []
            if not records:
                self._leave(self._store.head)
                continue
            start = self._clock.monotonic()
            await self._send(self._live + 1, records)
            self._leave(records[-1].offset)
            if self._clock.monotonic() - start > settings.late_s:
                self._leave(self._store.head)

    def _leave(self, offset: int) -> None:
        """Live goes on above this offset; what is unacknowledged below is backlog."""
        self._live = max(self._live, offset)
        self._moved.set()

    # ---------------------------------------------------------------------------------------------------- backlog

    async def _forward_backlog(self) -> None:
        settings = self._settings
        attempt = 0
        while True:
            self._moved.clear()
            behind = self._backlog()
            if behind is None:
                self._oldest = 0
                await self._moved.wait()
                continue
            try:
                took = await self._drain(*behind)
                attempt = 0
            except StoreFailed as error:
                attempt += 1
                log.warning("%s: the backlog cannot be read: %s", self.name, error)
                await self._clock.sleep(backoff(attempt, settings.first_retry_s, 30.0))
                continue
            await self._clock.sleep(took / settings.backlog_rate)
            await self._let_live_go_first()

    def _backlog(self) -> tuple[int, int] | None:
        """The oldest range that live has left behind."""
        for first, last in self._store.pending(self.name):
            return (first, min(last, self._live)) if first <= self._live else None
        return None

    async def _drain(self, first: int, last: int) -> int:
        """Sends the beginning of a range; returns how many records that were. Raises StoreFailed, NotConnected."""
        records = await self._store.read(first - 1, self._settings.backlog_batch, last)
        if not records:
            self._store.ack(self.name, first, last)
            return 0
        self._oldest = records[0].origin
        await self._send(first, [replace(record, historical=True) for record in records])
        return len(records)

    async def _let_live_go_first(self) -> None:
        """Waits a little while live has more than a batch before it."""
        for _ in range(10):
            if self._store.head - self._live <= self._settings.batch:
                return
            await self._clock.sleep(0.01)

    async def _peek(self) -> None:
        """Learns how old the oldest unsent record is."""
        pending = self._store.pending(self.name)
        try:
            records: Sequence[Record] = await self._store.read(pending[0][0] - 1, 1) if pending else []
        except StoreFailed:
            return
        self._oldest = records[0].origin if records else 0

    # ------------------------------------------------------------------------------------------------------- send

    async def _send(self, first: int, records: Batch) -> None:
        """Raises NotConnected."""
        if await self._delivery.send(first, records):
            self._has_taken()
        self._moved.set()

    def _has_taken(self) -> None:
        if self._doubted:
            self._doubted = False
            self._is_back()

    async def deliver(self, records: Batch) -> dict[int, str]:
        """Records out of turn, which are acknowledged already: returns those refused, by their place, and why. Raises
        NotConnected."""
        settings = self._settings
        refused: dict[int, str] = {}
        for start in range(0, len(records), settings.backlog_batch):
            if not (self._up and (self._connected or self._doubted)):
                raise NotConnected(self._reason or "closed")
            await self._let_live_go_first()
            some = records[start : start + settings.backlog_batch]
            found = await self._delivery.again([replace(record, historical=True) for record in some])
            if len(found) < len(some):
                self._has_taken()
            refused |= {start + at: why for at, why in found.items()}
            await self._clock.sleep(len(some) / settings.backlog_rate)
        return refused


class Forwarders:
    """All forwarders: implements `gateway.model.contracts.Forwards`. They come and go while it runs."""

    def __init__(self, forwarders: Sequence[Forwarder] = ()) -> None:
        self._forwarders = {forwarder.name: forwarder for forwarder in forwarders}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        """While it runs."""

    def report(self) -> Sequence[ConsumerReport]:
        return [forwarder.report() for forwarder in self._forwarders.values()]

    async def deliver(self, consumer: str, records: Batch) -> Mapping[int, str]:
        return await self._forwarders[consumer].deliver(records)

    def add(self, forwarder: Forwarder) -> None:
        """There is none of its name."""
        self._forwarders[forwarder.name] = forwarder
        if self._group is not None:
            work = self._group.create_task(forwarder.run(), name=f"forward-{forwarder.name}")
            self._tasks[forwarder.name] = work

    async def end(self, name: str) -> None:
        """Of one that there may be: when this returns it does nothing any more, and until then is not connected."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._forwarders.pop(name, None)

    async def run(self) -> None:
        """All of them, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for forwarder in list(self._forwarders.values()):
                    self.add(forwarder)
                await asyncio.Event().wait()
        finally:
            self._group = None
