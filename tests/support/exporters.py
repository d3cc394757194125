"""Exporters for tests: one that keeps what it is given, one that makes trouble."""

import asyncio
import random
from collections.abc import Callable

from gateway.model.contracts import Clock
from gateway.model.errors import NotConnected, PartialSend
from gateway.model.reading import Batch, Event, Record


class MemoryExporter:
    """Takes everything, in order."""

    name = "memory"

    def __init__(self) -> None:
        self.taken: list[Record] = []
        self.batches: list[int] = []
        self.connected = False
        self.connects = 0
        self.closes = 0
        self.changed = asyncio.Event()
        self._gone = asyncio.Event()

    async def connect(self) -> None:
        self.connects += 1
        self.connected = True
        self._gone.clear()

    async def lost(self) -> str:
        await self._gone.wait()
        return "the wire was cut"

    def cut(self) -> None:
        """The connection is gone, whether anything is sent or not."""
        self.connected = False
        self._gone.set()

    async def send(self, batch: Batch) -> None:
        if not self.connected:
            raise NotConnected("not connected")
        await asyncio.sleep(0)
        self._take(batch)

    def _take(self, batch: Batch) -> None:
        self.batches.append(len(batch))
        self.taken += batch
        self.changed.set()

    async def close(self) -> None:
        self.closes += 1
        self.connected = False

    def live(self) -> list[int]:
        return [record.offset for record in self.taken if not record.historical]

    def historical(self) -> list[int]:
        return [record.offset for record in self.taken if record.historical]

    async def until(self, done: Callable[[], bool]) -> None:
        """Waits for what is sent, not for a time."""
        while not done():
            self.changed.clear()
            await self.changed.wait()


class ChaosExporter(MemoryExporter):
    """Cuts the connection, takes only a part, waits, and refuses some records for good."""

    name = "chaos"

    def __init__(self, clock: Clock, seed: int = 1) -> None:
        super().__init__()
        self.away = False
        """The other side is not there: nothing connects, every send fails."""
        self.stuck: asyncio.Event | None = None
        """A send waits for this: a client that resends by itself keeps its call pending."""
        self.busy: NotConnected | None = None
        """It connects, and takes nothing."""
        self.cut_share = 0.0
        """How many sends of all lose the connection; half of those after the other side had taken the batch."""
        self.poison: set[int] = set()
        """Offsets refused for good."""
        self.breaks: set[int] = set()
        """Offsets that make the exporter itself fail."""
        self.refusals: dict[int, int] = {}
        self.delay_s = 0.0
        self._clock = clock
        self._random = random.Random(seed)

    async def connect(self) -> None:
        if self.away:
            raise NotConnected("nobody answers")
        await super().connect()

    async def send(self, batch: Batch) -> None:
        if self.delay_s:
            await self._clock.sleep(self.delay_s)
        if self.stuck is not None:
            await self.stuck.wait()
        if self.away or not self.connected:
            self.connected = False
            raise NotConnected("the connection is gone")
        if self.busy is not None:
            raise self.busy
        if any(record.offset in self.breaks for record in batch):
            raise ValueError("cannot encode this")
        if self._random.random() < self.cut_share:
            if self._random.random() < 0.5:
                self._take(batch)
            self.connected = False
            raise NotConnected("cut")
        refused = [position for position, record in enumerate(batch) if record.offset in self.poison]
        for position in refused:
            offset = batch[position].offset
            self.refusals[offset] = self.refusals.get(offset, 0) + 1
        self._take([record for record in batch if record.offset not in self.poison])
        if refused:
            raise PartialSend(refused, "the schema does not allow it")


def by_device(records: Batch) -> dict[str, list[int]]:
    """Offsets of events in the order they came, per device."""
    found: dict[str, list[int]] = {}
    for record in records:
        if isinstance(record, Event):
            found.setdefault(record.source.device, []).append(record.offset)
    return found
