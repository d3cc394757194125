"""Exporting from the journal to a real server on loopback: how fast, and how an outage drains beside live values."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from datastore.exporters.build import Identity, open_exporter
from datastore.exporters.settings import InfluxSettings
from datastore.journal import Journal
from datastore.settings import JournalSettings
from gateway.model.contracts import Exporter
from gateway.model.errors import NotConnected
from gateway.model.export.narrow import Selector
from gateway.model.export.settings import Only
from gateway.model.profile import DeviceResource, ReadWrite, ResourceProperties, ValueType
from gateway.model.reading import Batch, Event, Source
from gateway.runtime.clock import SystemClock
from gateway.runtime.forwarder import Forwarder, ForwardSettings
from tests.bench.rig import Figure
from tests.support.databases import victoria_metrics

VALUES = 100
DEVICES = 100
EVENTS = 20_000
LIVE_EVENTS_PER_S = 100
"""10,000 values a second."""
AWAY_S = 20.0
SETTINGS = ForwardSettings(
    linger_s=0.2, batch=500, backlog_batch=500, backlog_rate=20_000, first_retry_s=1.0, longest_retry_s=30.0
)


class Timed:
    """An exporter that notes how old live records are when they are taken, and can be away."""

    def __init__(self, exporter: Exporter) -> None:
        self.name = exporter.name
        self.ages_ms: list[float] = []
        self.away = False
        self._exporter = exporter

    async def connect(self) -> None:
        if self.away:
            raise NotConnected("away")
        await self._exporter.connect()

    async def send(self, batch: Batch) -> None:
        if self.away:
            raise NotConnected("away")
        await self._exporter.send(batch)
        now = time.time_ns()
        self.ages_ms += [(now - record.origin) / 1e6 for record in batch if not record.historical]

    async def lost(self) -> str:
        return await self._exporter.lost()

    async def close(self) -> None:
        await self._exporter.close()


class Rig:
    """A journal, a real server, an exporter to it."""

    def __init__(self, store: Journal, exporter: Exporter) -> None:
        properties = ResourceProperties(value_type=ValueType.FLOAT64, read_write=ReadWrite.R)
        resources = tuple(DeviceResource(name=f"R{n}", properties=properties) for n in range(VALUES))
        self.store = store
        self.exporter = Timed(exporter)
        self._sources = [store.number(Source("s", "bench", f"d{n}", "all", resources)) for n in range(DEVICES)]
        self._last = 0

    def events(self, count: int) -> list[Event]:
        found = []
        for n in range(count):
            self._last = max(self._last + 1, time.time_ns())
            found.append(Event(self._sources[n % DEVICES], self._last, [(n * 7 + i) / 10 for i in range(VALUES)]))
        return found

    def forward(self) -> "asyncio.Task[None]":
        feed = Forwarder(self.store, self.exporter, SystemClock(), "export-db", SETTINGS, Selector(Only(), {}))
        return asyncio.create_task(feed.run())

    @property
    def behind(self) -> int:
        return sum(last - first + 1 for first, last in self.store.pending("export-db"))


@contextlib.asynccontextmanager
async def _rig(folder: Path) -> AsyncIterator[Rig]:
    store = Journal(folder / "journal", JournalSettings(), SystemClock())
    await store.open()
    run = asyncio.create_task(store.run())
    try:
        async with victoria_metrics(folder) as server:
            settings = InfluxSettings(kind="influx", url=server.url, bucket="bench")
            yield Rig(store, open_exporter(Identity("db", "bench"), settings))
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await store.close()


async def _fast() -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with _rig(Path(folder)) as rig:
            rig.store.pending("export-db")
            rig.store.append(rig.events(EVENTS))
            await rig.store.commit()
            began = time.perf_counter()
            task = rig.forward()
            await _until(lambda: not rig.behind)
            took = time.perf_counter() - began
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return EVENTS * VALUES / took


async def _drain() -> tuple[float, float, float]:
    """Drained over live rate; p99 age of live values, ms, while nothing waits and while it drains."""
    with tempfile.TemporaryDirectory() as folder:
        async with _rig(Path(folder)) as rig:
            task = rig.forward()
            live = asyncio.create_task(_live(rig))
            await asyncio.sleep(5)
            calm, rig.exporter.ages_ms = rig.exporter.ages_ms, []
            rig.exporter.away = True
            await asyncio.sleep(AWAY_S)
            rig.exporter.away = False
            await _until(lambda: bool(rig.exporter.ages_ms))
            first, began = rig.behind, time.perf_counter()
            await _until(lambda: rig.behind <= LIVE_EVENTS_PER_S)
            rate = (first - rig.behind) / (time.perf_counter() - began) + LIVE_EVENTS_PER_S
            ages = rig.exporter.ages_ms
            for one in (live, task):
                one.cancel()
            await asyncio.gather(live, task, return_exceptions=True)
            return rate / LIVE_EVENTS_PER_S, _p99(calm), _p99(ages)


async def _until(done: Callable[[], bool]) -> None:
    while not done():  # noqa: ASYNC110  the cursor sets no event of ours
        await asyncio.sleep(0.01)


async def _live(rig: Rig) -> None:
    while True:
        rig.store.append(rig.events(LIVE_EVENTS_PER_S // 10))
        await asyncio.sleep(0.1)


def _p99(ages: list[float]) -> float:
    return statistics.quantiles(ages, n=100)[98] if len(ages) > 100 else max(ages, default=0.0)


def export() -> Iterator[Figure]:
    """`export.influx.readings_per_s`, `export.drain_over_live`."""
    conditions = f"{EVENTS} events x {VALUES} floats from the journal to VictoriaMetrics on loopback, gzip, shared core"
    yield Figure("export.influx.readings_per_s", asyncio.run(_fast()), "1/s", conditions)
    ratio, calm, draining = asyncio.run(_drain())
    conditions = f"{LIVE_EVENTS_PER_S * VALUES} values/s live, {AWAY_S:g} s away, VictoriaMetrics on loopback"
    yield Figure("export.drain_over_live", ratio, "ratio", conditions)
    yield Figure("export.live_age_p99_ms", calm, "ms", f"{conditions}; before the outage, linger 200 ms")
    yield Figure("export.live_age_p99_ms_draining", draining, "ms", f"{conditions}; while it drains")
