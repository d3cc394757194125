"""What a forwarder sends at all, out of turn, and to somebody who is there and takes nothing."""

import asyncio
import logging
from pathlib import Path

import pytest

from gateway.model.errors import NotConnected, NotTaken
from gateway.model.export.narrow import Selector
from gateway.model.export.settings import Only
from gateway.runtime.forwarder import Forwarder, Forwarders, ForwardSettings
from tests.support.clock import MovingClock
from tests.support.exporters import ChaosExporter
from tests.support.letters import MemoryLetters
from tests.support.records import event, message, source
from tests.unit.runtime.test_forwarder import FAST, rig


async def test_who_takes_nothing_is_not_connected_until_he_takes_something(
    tmp_path: Path, clock: MovingClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.runtime.forwarder")
    async with rig(tmp_path, clock) as r:
        r.exporter.busy = NotTaken("busy", 7.0)
        r.start()
        await r.settle()
        r.poll(3)
        await r.settle()
        assert (r.forwarder.report().connected, r.forwarder.report().reason) == (False, "busy")
        connects = r.exporter.connects
        await clock.advance(6.0)
        assert r.exporter.connects == connects, "the pause that it asked for"
        for _ in range(30):
            await clock.advance(1.0)
            assert not r.forwarder.report().connected
        r.exporter.busy = None
        await clock.advance(8.0)
        await r.all_acknowledged()
        assert r.forwarder.report().connected
        said = [record.getMessage() for record in caplog.records]
        assert len([one for one in said if "not connected" in one]) == 1
        assert len([one for one in said if "connected again" in one]) == 1


async def test_only_what_is_wanted_is_sent_and_the_rest_is_done_with(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        selector = Selector(Only(devices=["d1"], messages=["alarm"]), {})
        r.forwarder = Forwarder(r.store, r.exporter, clock, "cloud", FAST, selector)
        r.exporter.poison = {4}
        letters = MemoryLetters()
        r.forwarder.remember(letters)
        r.start()
        await r.settle()
        r.poll(3, devices=2)
        r.store.append([message(5, "d1")])
        await r.all_acknowledged()
        assert sorted(record.offset for record in r.exporter.taken) == [2, 6, 7]
        assert letters.of("cloud") == {4: "the schema does not allow it"}
        assert r.forwarder.report().sent == 3


async def test_what_is_taken_the_second_time_is_not_remembered(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        r.start()
        await r.settle()
        r.exporter.poison = {2}
        r.poll(3)
        while not r.exporter.refusals:
            await r.settle(0.001)
        r.exporter.poison = set()
        await r.all_acknowledged()
        assert r.forwarder.report().set_aside == 0
        assert not r.forwarder._delivery._tries


async def test_out_of_turn(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        everything = Forwarders([r.forwarder])
        with pytest.raises(NotConnected):
            await everything.deliver("cloud", [event(source(), 1)])
        with pytest.raises(KeyError):
            await everything.deliver("nobody", [])
        r.start()
        await r.settle()
        again = r.poll(3)
        await r.settle()
        r.exporter.poison = {again[1].offset}
        sending = asyncio.create_task(everything.deliver("cloud", again))
        await r.settle()
        assert await sending == {1: "the schema does not allow it"}
        assert r.exporter.historical() == [again[0].offset, again[2].offset]


async def test_out_of_turn_in_requests_and_at_a_rate_as_the_settings_have_it(
    tmp_path: Path, clock: MovingClock
) -> None:
    async with rig(tmp_path, clock, ForwardSettings(backlog_batch=10, backlog_rate=5.0)) as r:
        r.start()
        await r.settle()
        again = r.poll(35)
        await r.settle()
        r.exporter.poison = {again[21].offset}
        r.exporter.batches.clear()
        sending = asyncio.create_task(Forwarders([r.forwarder]).deliver("cloud", again))
        await clock.advance(6.0)
        assert (r.exporter.batches, sending.done()) == ([10, 10, 9, 5], False)
        await clock.advance(2.0)
        assert await sending == {21: "the schema does not allow it"}


async def test_forwarders_come_and_go_while_they_run(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        everything = Forwarders([r.forwarder])
        running = asyncio.create_task(everything.run())
        await r.settle()
        r.poll(2)
        await r.settle()
        await everything.end("cloud")
        await everything.end("nobody")
        assert (r.exporter.connected, everything.report()) == (False, [])
        r.poll(2)
        other = ChaosExporter(clock)
        everything.add(Forwarder(r.store, other, clock, "cloud"))
        await r.settle()
        assert (r.exporter.live(), other.historical()) == ([1, 2], [3, 4]), "it goes on from the cursor"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not other.connected


async def test_one_that_takes_its_time_to_end_is_not_connected_and_not_gone(
    tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may come in its place: a stretch that is being exported waits for that, and does not fail."""
    async with rig(tmp_path, clock) as r:
        everything = Forwarders([r.forwarder])
        running = asyncio.create_task(everything.run())
        await r.settle()
        again = r.poll(2)
        await r.settle()
        lingers = asyncio.Event()
        monkeypatch.setattr(r.exporter, "close", lingers.wait)
        ending = asyncio.create_task(everything.end("cloud"))
        await r.settle()
        with pytest.raises(NotConnected, match="closed"):
            await everything.deliver("cloud", again)
        assert [one.connected for one in everything.report()] == [False]
        lingers.set()
        await ending
        with pytest.raises(KeyError):
            await everything.deliver("cloud", again)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_outage_drains_at_ten_times_the_live_rate_beside_live_values(
    tmp_path: Path, clock: MovingClock
) -> None:
    """T6: with the settings of an exporter in gateway.yaml; 10 events a second, ten minutes away."""
    settings = ForwardSettings(linger_s=0.2, batch=500, backlog_batch=500, backlog_rate=20_000, longest_retry_s=10.0)
    async with rig(tmp_path, clock, settings) as r:
        r.start()
        await r.settle()
        r.exporter.away = True
        for _ in range(60):
            r.poll(100)
            await clock.advance(10.0)
        r.exporter.away = False
        came: dict[int, float] = {}
        start = clock.monotonic()
        while r.store.pending("cloud") and clock.monotonic() - start < 70:
            (made,) = r.poll(1)
            came[made.offset] = clock.monotonic()
            await r.settle(0.1)
        took = clock.monotonic() - start
        assert took <= 60, "6,000 events at 100 a second or more, the way back included"
        live = [record.offset for record in r.exporter.taken if not record.historical]
        back = next(offset for offset in live if offset in came)
        assert live[live.index(back) :] == list(range(back, back + len(live) - live.index(back)))
        assert sorted({one.offset for one in r.exporter.taken}) == list(range(1, r.store.head + 1))
