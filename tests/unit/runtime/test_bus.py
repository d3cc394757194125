import asyncio

import pytest

from gateway.model.profile import DeviceResource
from gateway.model.reading import Batch, Event, Message, Record, Source
from gateway.runtime.bus import Bus
from tests.support.clock import settle

RESOURCE = DeviceResource.model_validate({"name": "R", "properties": {"valueType": "Uint16", "readWrite": "R"}})
SOURCE = Source("modbus", "P", "D", "R", (RESOURCE,))
OTHER = Source("opcua", "P", "E", "R", (RESOURCE,))


class Journal:
    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, batch: Batch) -> int:
        self.records.extend(batch)
        return len(self.records)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def bus(journal: Journal) -> Bus:
    return Bus(journal)


def event(origin: int = 1, source: Source = SOURCE, **more: bool) -> Event:
    return Event(source, origin, [1], **more)  # type: ignore[arg-type]


def test_taps_hear_everything_and_the_journal_what_is_new(bus: Bus, journal: Journal) -> None:
    heard: list[Record] = []
    bus.tap(heard.extend)
    batch: list[Record] = [event(1), event(2, repeat=True), Message("alarm", "D", "a", 1, {})]
    bus.publish(batch)
    bus.publish([event(3, repeat=True)])
    assert heard[:3] == batch
    assert journal.records == [batch[0], batch[2]]
    assert (bus.published, bus.suppressed) == (4, 2)


def test_a_tap_that_fails_stops_nobody(bus: Bus, journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Batch) -> None:
        raise ZeroDivisionError

    bus.tap(broken)
    bus.publish([event()])
    assert len(journal.records) == 1
    assert bus.failures == 1
    assert "ZeroDivisionError" in caplog.text


def test_origins_are_strictly_increasing_per_device_service(bus: Bus, journal: Journal) -> None:
    bus.publish([event(100), event(100), event(99), event(50, OTHER), event(50, OTHER)])
    bus.publish([event(101)])
    assert [r.origin for r in journal.records] == [100, 101, 102, 50, 51, 103]


def test_a_wall_clock_set_back_is_believed_and_backfill_keeps_its_stamps(bus: Bus, journal: Journal) -> None:
    hour = 3600 * 10**9
    bus.publish([event(10 * hour)])
    bus.publish([event(9 * hour), event(9 * hour), event(hour, historical=True), event(9 * hour)])
    assert [r.origin - 9 * hour for r in journal.records[1:]] == [0, 1, -8 * hour, 2]


async def test_a_slow_watcher_loses_the_oldest_counted_and_holds_nobody_up(bus: Bus) -> None:
    with bus.subscribe(maxsize=10) as watcher:
        for origin in range(1, 101):
            bus.publish([event(origin)])
        assert watcher.dropped == 90
        batch = await anext(aiter(watcher))
        assert [r.origin for r in batch] == list(range(91, 101))
    assert bus.watchers == 0
    bus.publish([event(1000)])


async def test_a_watcher_waits_gathers_and_ends(bus: Bus) -> None:
    watcher, seen = bus.subscribe(), list[int]()

    async def watch() -> None:
        async for batch in watcher:
            seen.append(len(batch))

    task = asyncio.create_task(watch())
    await settle()
    bus.publish([event(1), event(2)])
    bus.publish([event(3)])
    await settle()
    bus.publish([event(4)])
    await settle()
    assert seen == [3, 1]
    watcher.close()
    watcher.close()
    await task
    assert bus.watchers == 0


async def test_what_a_tap_publishes_comes_after_what_it_was_told_for_everybody(bus: Bus, journal: Journal) -> None:
    """Reading, then alarm."""
    heard: list[Record] = []
    reading, alarm = event(), Message("alarm", "D", "a", 1, {})

    def raises(batch: Batch) -> None:
        if reading in batch:
            bus.publish([alarm])

    bus.tap(raises)
    bus.tap(heard.extend)
    with bus.subscribe() as watcher:
        bus.publish([reading])
        live = await anext(aiter(watcher))
    assert heard == journal.records == live == [reading, alarm]
