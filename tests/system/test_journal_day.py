"""T6, T39: the cloud is away for a day (the clock moves, the disk is real). The store stays bounded, the backlog comes
complete and in order, live values do not wait for it; a slow cloud costs no memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from datastore.journal import Journal
from gateway.runtime.forwarder import Forwarder, ForwardSettings
from tests.support.clock import MovingClock
from tests.support.exporters import ChaosExporter, by_device
from tests.support.journals import journal
from tests.support.records import event, source

DEVICES = 10
PERIOD_S = 10.0
DAY_S = 86_400.0
TAIL_MAX = 60_000
"""Values: the tail's bound and one batch."""


class Polls:
    """Ten devices, each every ten seconds."""

    def __init__(self, store: Journal, clock: MovingClock) -> None:
        self._store = store
        self._clock = clock
        self._of = [store.number(source(f"d{n}", [f"R{k}" for k in range(10)])) for n in range(DEVICES)]
        self.count = 0

    def now(self) -> list[int]:
        made = [event(one, 0, [self.count % 65536] * 10) for one in self._of]
        for one in made:
            one.origin = self._clock.now()
        self._store.append(made)
        self.count += 1
        return [one.offset for one in made]


@contextlib.asynccontextmanager
async def forwarding(
    folder: Path, clock: MovingClock, settings: ForwardSettings
) -> AsyncIterator[tuple[Journal, ChaosExporter, Forwarder]]:
    """A journal and a forwarder to an exporter that is away at first."""
    async with journal(folder, clock) as store:
        exporter = ChaosExporter(clock)
        exporter.away = True
        forwarder = Forwarder(store, exporter, clock, "cloud", settings)
        task = asyncio.create_task(forwarder.run())
        try:
            yield store, exporter, forwarder
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.timeout(180)
async def test_a_day_without_the_cloud(tmp_path: Path, clock: MovingClock) -> None:
    settings = ForwardSettings(backlog_rate=1000.0)
    async with forwarding(tmp_path, clock, settings) as (store, exporter, forwarder):
        polls = Polls(store, clock)
        backlog: list[int] = []
        for _ in range(int(DAY_S / PERIOD_S)):
            backlog += polls.now()
            if polls.count % 60 == 0:
                await clock.advance(60 * PERIOD_S)
                await store.commit()
        report = forwarder.report()
        assert report.behind == len(backlog) == 86_400
        assert abs(clock.now() - report.oldest - DAY_S * 1e9) < PERIOD_S * 1e9
        assert store.report().bytes < 20_000_000
        assert store.report().dropped == {"full": 0, "age": 0, "failed": 0}

        exporter.away = False
        live: list[int] = []
        while not exporter.connected:
            await clock.advance(0.25)
        began, slowest = clock.monotonic(), 0.0
        while store.pending("cloud"):
            offsets, at = polls.now(), clock.monotonic()
            live += offsets
            while exporter.live()[-DEVICES:] != offsets:
                await clock.advance(0.002)
                await asyncio.sleep(0)
            slowest = max(slowest, clock.monotonic() - at)
            for _ in range(20):
                await clock.advance(0.05)
                await asyncio.sleep(0.001)
        took = clock.monotonic() - began

        assert exporter.historical() == backlog
        assert exporter.live() == live
        for offsets in by_device([r for r in exporter.taken if r.historical]).values():
            assert offsets == sorted(offsets)
        assert slowest < 0.1, "live values waited for the backlog"
        assert 86.4 <= took < 3600, "the backlog keeps to its rate, and gets through"


async def test_a_slow_cloud_costs_no_memory(tmp_path: Path, clock: MovingClock) -> None:
    async with forwarding(tmp_path, clock, ForwardSettings()) as (store, exporter, _):
        exporter.away = False
        exporter.delay_s = 3.0
        polls = Polls(store, clock)
        most = 0
        for _ in range(300):
            for _ in range(5):
                polls.now()
            await store.commit()
            await clock.advance(0.5)
            most = max(most, sum(store._tail._weight(record) for record in store._tail.records))
        assert most < TAIL_MAX
        assert store.report().dropped["failed"] == 0
        exporter.delay_s = 0.0
        async with asyncio.timeout(30):
            while store.pending("cloud"):
                await clock.advance(0.5)
                await asyncio.sleep(0.001)
        assert {record.offset for record in exporter.taken} == set(range(1, store.head + 1))
        for historical in (False, True):
            for offsets in by_device([r for r in exporter.taken if r.historical is historical]).values():
                assert offsets == sorted(offsets)
