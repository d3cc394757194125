"""Awkward turns: acknowledgements too many, consumers that go, damage inside a file, values nobody expects."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from datastore import disk
from gateway.model.errors import StoreFailed
from gateway.model.query import Selection
from tests.support.clock import MovingClock
from tests.support.journals import Alarms, journal
from tests.support.records import event, message, source
from tests.unit.datastore.test_journal import only_file, wide


async def test_what_does_not_exist_yet_cannot_be_acknowledged(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 3)
        store.ack("cloud", 1, 10**9)
        store.ack("cloud", 9, 5)
        assert store.pending("cloud") == []
        wide(store, 2)
        assert store.pending("cloud") == [(4, 5)]


async def test_a_forgotten_consumer_does_not_come_back(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 10)
        store.ack("cloud", 1, 5)
        store.ack("old", 1, 1)
    async with journal(tmp_path, clock) as store:
        store.forget("old")
    async with journal(tmp_path, clock) as store:
        assert list(store._cursors) == ["cloud"]
        assert store.pending("cloud") == [(6, 10)]


async def test_after_close_nobody_waits_for_ever(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 3)
        await store.commit()
    await store.commit()
    wide(store, 1)
    async with asyncio.timeout(5):
        with pytest.raises(StoreFailed, match="closed"):
            await store.commit()
        with pytest.raises(StoreFailed, match="closed"):
            await store.events(Selection())
    await store.close()


async def test_who_stops_waiting_leaves_nothing(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        waiting = asyncio.create_task(store.wait(0))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert not store._waiters


async def test_a_damaged_row_stops_nobody(tmp_path: Path, clock: MovingClock) -> None:
    """SQLite does not notice a flipped bit inside a row."""
    async with journal(tmp_path, clock) as store:
        wide(store, 20)
    with sqlite3.connect(only_file(tmp_path)) as db:
        db.execute("UPDATE records SET body = x'c1ff' WHERE offset IN (2, 3, 4)")
        db.execute("UPDATE records SET source = 77 WHERE offset = 6")
    db.close()
    async with journal(tmp_path, clock) as store:
        assert [r.offset for r in await store.read(0, 4)] == [1, 5, 7, 8], "a page is filled from behind the gap"
        assert [r.offset for r in await store.read(1, 100)] == [5, *range(7, 21)]
        found, _ = await store.events(Selection(limit=-1))
        assert len(found) == 16


async def test_a_damaged_cursor_is_no_boot_loop(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 3)
        store.ack("cloud", 1, 2)
    with sqlite3.connect(only_file(tmp_path)) as db:
        db.execute("UPDATE cursors SET ranges = x'c1'")
    db.close()
    alarms = Alarms()
    async with journal(tmp_path, clock, alarms) as store:
        assert alarms.names() == ["journal-damaged"]
        assert wide(store, 1)[0].offset == 4
        await store.commit()


async def test_a_commit_tried_again_is_counted_once(
    tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed may have been on the disk all the same."""
    async with journal(tmp_path, clock) as store:
        wide(store, 5)
        store.append([message(1)])
        with monkeypatch.context() as patch:
            patch.setattr(store._disk, "_roll", lambda: (_ for _ in ()).throw(OSError("EIO")))
            for _ in range(3):
                with pytest.raises(StoreFailed, match="EIO"):
                    await store.commit()
        wide(store, 2)
        await store.commit()
        assert store._disk.segments[0].count == 8
        assert (await store.events(Selection(limit=1)))[1] == 7


async def test_two_readers_may_find_the_same_damage(
    tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SMALLEST_SEGMENT", 20_000)
    async with journal(tmp_path, clock, max_bytes="1MB") as store:
        for n in range(6):
            wide(store, 100, n * 100)
            await store.commit()
        first = store._disk.segments[0]
        first.path.write_bytes(b"no database" * 1000)
        store._tail.committed(store.head)
        store._tail.floor = store.head
        both = await asyncio.gather(store.read(0, 1000), store.read(0, 1000))
        for found in both:
            assert [r.offset for r in found] == list(range(first.last + 1, store.head + 1))


async def test_one_commit_larger_than_all_the_room_is_no_dead_end(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock, max_bytes="1MB") as store:
        store.pending("cloud")
        wide(store, 4500)
        store.append([event(store.number(source("text")), n, ["x" * 65536] * 2) for n in range(20)])
        await store.commit()
        for n in range(3):
            kept = wide(store, 10, n)
            await store.commit()
        assert kept[-1].offset == store.head
        assert [r.offset for r in await store.read(store.head - 10, 10)] == [e.offset for e in kept]
        assert store.report().bytes <= 1_000_000


async def test_a_stamp_from_the_future_does_not_keep_all_that_follows(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock, max_age="10d") as store:
        far = wide(store, 1, 86400 * 365 * 50)
        for _ in range(40):
            for one in wide(store, 5):
                one.origin = clock.now()
            await store.commit()
            await clock.advance(86400 / 2)
        assert store._disk.segments[0].first > far[0].offset
        assert store.report().oldest > clock.now() - 12 * 86400 * 10**9


async def test_large_and_strange_values_come_back(tmp_path: Path, clock: MovingClock) -> None:
    values = ["x" * 65536, b"\x00\xff" * 40_000, {"a": [{"b": None}, 1.5]}, float("inf"), 2**64 - 1, True, 1, None]
    async with journal(tmp_path, clock) as store:
        of = store.number(source("odd", [f"R{n}" for n in range(8)]))
        too_large = event(of, 2, [2**64] * 8)
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        store.append([event(of, 1, list(values)), too_large, event(of, 3, [deep] * 8)])
        await store.commit()
        assert store.report().dropped["failed"] == 2
    async with journal(tmp_path, clock) as store:
        (found,) = (await store.events(Selection()))[0]
        assert found.values == values
        assert list(map(type, found.values)) == list(map(type, values))


async def test_a_consumer_that_left_the_settings_holds_nothing_back(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        assert store.pending("mqtt") == []
        assert store.pending("gone") == []
        store.append([event(source("d", ["R"]), 1, [1])])
        await store.commit()
        store.forget_all_but(["mqtt"])
        await store.commit()
        assert store.pending("mqtt") == [(store.head, store.head)]
    async with journal(tmp_path, clock) as store:
        assert store.report().records == 1
        assert store.pending("mqtt") == [(store.head, store.head)]
