"""Journal → exporter: order, back-off, the backlog beside live values, what is refused. With the real journal."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from datastore.journal import Journal
from gateway.model.reading import Event
from gateway.runtime.forwarder import Forwarder, Forwarders, ForwardSettings
from tests.support.clock import MovingClock
from tests.support.exporters import ChaosExporter, by_device
from tests.support.journals import journal
from tests.support.letters import MemoryLetters
from tests.support.records import ORIGIN, event, message, source

FAST = ForwardSettings(backlog_rate=1e9)


class Rig:
    """A journal, an exporter, and the forwarder between them."""

    def __init__(self, store: Journal, clock: MovingClock, settings: ForwardSettings) -> None:
        self.store = store
        self.clock = clock
        self.exporter = ChaosExporter(clock)
        self.settings = settings
        self.forwarder = Forwarder(store, self.exporter, clock, "cloud", settings)
        self.task: asyncio.Task[None] | None = None
        self._second = 0

    def start(self) -> None:
        self.task = asyncio.create_task(self.forwarder.run())

    def renew(self) -> None:
        """As a gateway that starts: what is in the journal by now has waited."""
        self.forwarder = Forwarder(self.store, self.exporter, self.clock, "cloud", self.settings)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None

    def poll(self, count: int = 1, devices: int = 1) -> list[Event]:
        """`count` events of each device."""
        made = []
        for _ in range(count):
            self._second += 1
            made += [event(self.store.number(source(f"d{n}")), self._second) for n in range(devices)]
        self.store.append(made)
        return made

    async def settle(self, seconds: float = 0.1) -> None:
        """Lets our own timers run; reads from disk come from a real thread, so real turns are needed as well."""
        for _ in range(20):
            await self.clock.advance(seconds / 20)
            await asyncio.sleep(0.001)

    async def all_acknowledged(self) -> None:
        async with asyncio.timeout(30):
            while self.store.pending("cloud"):
                await self.settle(0.05)


@contextlib.asynccontextmanager
async def rig(folder: Path, clock: MovingClock, settings: ForwardSettings = FAST) -> AsyncIterator[Rig]:
    async with journal(folder, clock) as store:
        made = Rig(store, clock, settings)
        try:
            yield made
        finally:
            await made.stop()


async def test_live_values_are_sent_as_they_come(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.settle()
        sent = r.poll(3, devices=2)
        r.store.append([message(4)])
        await r.settle()
        assert r.exporter.taken[:-1] == sent
        assert r.exporter.live() == [1, 2, 3, 4, 5, 6, 7]
        assert r.store.pending("cloud") == []
        report = r.forwarder.report()
        assert (report.connected, report.reason, report.behind, report.sent, report.oldest) == (True, "", 0, 7, 0)


async def test_small_events_wait_a_little_for_company(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.settle()
        r.poll()
        await clock.advance(0.001)
        assert r.exporter.batches == []
        r.poll(devices=3)
        await clock.advance(0.0011)
        assert r.exporter.batches == [4]


async def test_a_batch_has_at_most_so_many_records(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.settle()
        r.poll(600)
        await r.settle()
        assert r.exporter.batches == [256, 256, 88]


async def test_what_waited_is_historical_and_live_goes_first(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        waited = r.poll(100, devices=2)
        r.renew()
        r.start()
        await clock.advance(0)
        live = r.poll(1, devices=2)
        await r.all_acknowledged()
        assert r.exporter.live() == [e.offset for e in live]
        assert r.exporter.historical() == [e.offset for e in waited]
        assert not any(e.historical for e in waited), "the journal's own events are not touched"


async def test_what_comes_between_the_making_and_the_running_is_live(tmp_path: Path, clock: MovingClock) -> None:
    """Devices are read while the configuration is still being applied; the cloud is let in after that."""
    async with rig(tmp_path, clock) as r:
        early = r.poll(3)
        r.task = asyncio.create_task(r.forwarder.run())
        await r.settle()
        assert r.exporter.live() == [e.offset for e in early]


async def test_an_outage(tmp_path: Path, clock: MovingClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.runtime.forwarder")
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.settle()
        r.poll(5)
        await r.settle()
        r.exporter.away = True
        for _ in range(20):
            r.poll()
            await clock.advance(1.0)
        report = r.forwarder.report()
        assert (report.connected, report.reason, report.behind) == (False, "nobody answers", 20)
        assert report.oldest == ORIGIN + 6 * 10**9
        r.exporter.away = False
        before = len(r.exporter.taken)
        back = clock.monotonic()
        while r.exporter.live() == [1, 2, 3, 4, 5]:
            r.poll()
            await clock.advance(0.1)
            await asyncio.sleep(0.001)
        assert clock.monotonic() - back <= 3.0
        await r.all_acknowledged()
        assert sorted(record.offset for record in r.exporter.taken) == list(range(1, r.store.head + 1))
        since = r.exporter.taken[before:]
        assert [e.offset for e in since if e.historical] == sorted(e.offset for e in since if e.historical)
        assert [e.offset for e in since if not e.historical] == sorted(e.offset for e in since if not e.historical)
        said = [record.getMessage() for record in caplog.records]
        assert len([one for one in said if "not connected" in one]) == 1
        assert len([one for one in said if "connected again" in one]) == 1


async def test_a_connection_lost_while_nothing_is_sent_is_made_again(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.settle()
        r.exporter.cut()
        await r.settle()
        assert r.forwarder.report().reason == "the wire was cut"
        await clock.advance(1.0)
        assert r.forwarder.report().connected
        assert r.exporter.connects == 2


async def test_who_is_thrown_out_at_once_comes_back_more_slowly(tmp_path: Path, clock: MovingClock) -> None:
    settings = replace(FAST, longest_retry_s=60.0)
    async with rig(tmp_path, clock, settings) as r:
        r.start()
        for _ in range(600):
            await clock.advance(0.1)
            r.exporter.cut()
        assert 4 <= r.exporter.connects <= 12
        before = r.exporter.connects
        await clock.advance(120)
        assert r.exporter.connects == before + 1
        r.exporter.cut()
        await clock.advance(1.0)
        assert r.exporter.connects == before + 2, "a connection that held begins anew"


async def test_the_backlog_keeps_to_its_rate(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock, ForwardSettings(backlog_rate=100.0, backlog_batch=10)) as r:
        r.poll(100)
        r.renew()
        r.start()
        await clock.advance(0.5)
        assert 40 <= len(r.exporter.historical()) <= 60
        await clock.advance(0.6)
        assert len(r.exporter.historical()) == 100


async def test_a_send_that_hangs_makes_the_rest_backlog(tmp_path: Path, clock: MovingClock) -> None:
    """A client that reconnects by itself keeps its send pending; what piles up behind it is not live any more."""
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.settle()
        r.exporter.stuck = asyncio.Event()
        for _ in range(30):
            r.poll()
            await clock.advance(1.0)
        r.exporter.stuck.set()
        r.exporter.stuck = None
        await r.settle()
        r.poll()
        await r.all_acknowledged()
        assert r.exporter.live() == [1, 31]
        assert r.exporter.historical() == list(range(2, 31))
        assert r.exporter.connects == 1


async def test_a_refused_record_is_set_aside_after_some_tries(tmp_path: Path, clock: MovingClock) -> None:
    letters = MemoryLetters()
    async with rig(tmp_path, clock) as r:
        r.forwarder.remember(letters)
        r.exporter.poison = {3, 7}
        r.start()
        await r.settle()
        r.poll(10)
        await r.all_acknowledged()
        assert sorted(e.offset for e in r.exporter.taken) == [1, 2, 4, 5, 6, 8, 9, 10]
        assert r.exporter.refusals == {3: 3, 7: 3}
        assert r.forwarder.report().set_aside == 2
        assert letters.of("cloud") == dict.fromkeys((3, 7), "the schema does not allow it")
        again = Forwarder(r.store, r.exporter, clock, "cloud")
        again.remember(letters)
        assert again.report().set_aside == 2


async def test_a_full_disk_does_not_stop_setting_aside(tmp_path: Path, clock: MovingClock) -> None:
    letters = MemoryLetters()
    async with rig(tmp_path, clock) as r:
        r.forwarder.remember(letters)
        letters.fails = True
        r.exporter.poison = {1}
        r.start()
        await r.settle()
        r.poll(3)
        await r.all_acknowledged()
        assert r.forwarder.report().set_aside == 1


async def test_a_record_that_breaks_the_exporter_does_not_stop_the_rest(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        r.exporter.breaks = {2}
        r.start()
        await r.settle()
        r.poll(4)
        await r.all_acknowledged()
        assert sorted(e.offset for e in r.exporter.taken) == [1, 3, 4]
        assert r.forwarder.report().set_aside == 1


@pytest.mark.parametrize("seed", range(5))
async def test_nothing_is_lost_however_often_the_connection_breaks(
    tmp_path: Path, clock: MovingClock, seed: int
) -> None:
    async with rig(tmp_path, clock, replace(FAST, batch=16, backlog_batch=8)) as r:
        r.exporter = ChaosExporter(clock, seed)
        r.renew()
        r.exporter.cut_share = 0.3
        r.poll(50, devices=3)
        r.start()
        for _ in range(40):
            r.poll(2, devices=3)
            await r.settle(0.2)
        r.exporter.cut_share = 0.0
        await r.all_acknowledged()
        assert {record.offset for record in r.exporter.taken} == set(range(1, r.store.head + 1))
        first: dict[int, int] = {}
        for position, record in enumerate(r.exporter.taken):
            first.setdefault(record.offset, position)
        live = [record for position, record in enumerate(r.exporter.taken) if not record.historical]
        for offsets in by_device(live).values():
            assert offsets == sorted(offsets)


async def test_a_restart_goes_on_where_it_was(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.settle()
        r.poll(5)
        await r.settle()
        r.exporter.away = True
        r.poll(5)
        await r.settle()
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.all_acknowledged()
        assert r.exporter.historical() == [6, 7, 8, 9, 10]
        assert r.exporter.live() == []


async def test_a_slow_consumer_holds_nothing_in_memory(tmp_path: Path, clock: MovingClock) -> None:
    """T39: the journal's tail is bounded, whoever is slow."""
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.settle()
        r.exporter.stuck = asyncio.Event()
        for _ in range(60):
            r.poll(100, devices=2)
            await r.store.commit()
        assert r.store._tail._weight(r.poll()[0]) * len(r.store._tail.records) < 60_000
        assert r.forwarder.report().behind == 12_001
        r.exporter.stuck.set()
        r.exporter.stuck = None
        await r.all_acknowledged()
        assert {e.offset for e in r.exporter.taken} == set(range(1, 12_002))


async def test_cancel_closes_the_exporter_and_leaves_nothing(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        r.poll(3)
        r.start()
        await clock.advance(0)
        await r.stop()
        assert not r.exporter.connected


async def test_several_consumers(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        exporters = [ChaosExporter(clock), ChaosExporter(clock)]
        exporters[1].away = True
        forwarders = Forwarders([Forwarder(store, e, clock, f"c{n}", FAST) for n, e in enumerate(exporters)])
        task = asyncio.create_task(forwarders.run())
        await clock.advance(0.1)
        store.append([event(store.number(source()), 1)])
        await clock.advance(0.1)
        assert [(one.name, one.behind, one.connected) for one in forwarders.report()] == [
            ("c0", 0, True),
            ("c1", 1, False),
        ]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
