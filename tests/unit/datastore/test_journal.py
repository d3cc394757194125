"""Commits, bounds, drop policy, offsets over restarts. What any store promises is in tests/contract/test_store.py."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from datastore import disk
from datastore.journal import AT_ONCE, Journal
from datastore.settings import JournalSettings
from gateway.model.errors import ConfigError
from gateway.model.query import Selection
from gateway.model.reading import Event, Message
from tests.support.clock import MovingClock
from tests.support.journals import Alarms, eventually, journal
from tests.support.records import event, message, source

WIDE = [f"R{n}" for n in range(100)]


def wide(store: Journal, count: int, first: int = 0, device: str = "meter") -> list[Event]:
    """Events of 100 values that do not compress."""
    of = store.number(source(device, WIDE))
    made = [event(of, first + n, [(n * 7919 + k * 104729) % 65536 for k in range(100)]) for n in range(count)]
    store.append(made)
    return made


async def until_committed(store: Journal, offset: int) -> None:
    await eventually(lambda: store.report().committed >= offset)


def copy_files(folder: Path, to: Path) -> None:
    """As a crash leaves them: what is in the files, and no shared memory."""
    to.mkdir()
    for path in folder.iterdir():
        if not path.name.endswith("-shm"):
            (to / path.name).write_bytes(path.read_bytes())


def held_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def promised(folder: Path) -> str:
    return (folder / "offsets").read_text().strip()


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("journal-*.db")
    return path


async def test_commits_every_interval(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock, running=True) as store:
        await clock.advance(1)
        wide(store, 3)
        await clock.advance(0.4)
        wide(store, 2)
        assert store.report().committed == 0
        await clock.advance(0.11)
        await until_committed(store, 5)


async def test_a_message_is_committed_at_once_with_what_came_before(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock, running=True) as store:
        await clock.advance(1)
        wide(store, 3)
        store.append([message(1)])
        await until_committed(store, 4)


async def test_offsets_go_on_after_a_clean_stop_and_jump_after_a_crash(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 3)
    async with journal(tmp_path, clock) as store:
        assert wide(store, 1)[0].offset == 4
        await store.commit()
        wide(store, 5)
        crashed = tmp_path.with_name("crashed")
        copy_files(tmp_path, crashed)
    async with journal(crashed, clock) as store:
        assert wide(store, 1)[0].offset > 9, "5 to 9 were given, and may have been sent, before the crash"
        assert len(await store.read(0, 100)) == 5


async def test_a_gap_in_the_offsets_is_nobodys_backlog(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 3)
        store.ack("cloud", 1, 1)
    (tmp_path / "offsets").write_text("1000\n")
    async with journal(tmp_path, clock) as store:
        wide(store, 2)
        assert store.pending("cloud") == [(2, 3), (1001, 1002)]


@pytest.mark.parametrize("damage", ["", "x", "12 34"])
async def test_a_damaged_promise_still_never_repeats(tmp_path: Path, clock: MovingClock, damage: str) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 3)
    (tmp_path / "offsets").write_text(damage)
    async with journal(tmp_path, clock) as store:
        assert wide(store, 1)[0].offset > 1_000_000_000


async def test_the_promise_is_renewed_long_before_it_ends(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        store._disk.offsets.promised = 10
        wide(store, 3)
        await store.commit()
        assert int((tmp_path / "offsets").read_text()) > 900_000


async def test_when_no_promise_can_be_written_offsets_leap(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        store._disk.offsets.promised = 2
        given = [e.offset for e in wide(store, 4)]
        assert given[:2] == [1, 2]
        assert given[2] > 1_000_000_000
        assert given[3] == given[2] + 1


async def test_bounded_by_bytes(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock, max_bytes="2MB") as store:
        first = store.head + 1
        for n in range(120):
            wide(store, 200, n * 200)
            if not n:
                store.ack("cloud", 1, 100)
            await store.commit()
            held = held_bytes(tmp_path)
            assert held <= 2_000_000
        report = store.report()
        assert report.bytes <= 2_000_000
        assert report.bytes == pytest.approx(held, rel=0.05)
        found = await store.read(0, 1)
        oldest = found[0].offset
        assert oldest > first
        assert report.dropped == {"full": oldest - 101, "age": 0, "failed": 0}
        assert report.records == store.head - oldest + 1 == (await store.events(Selection(limit=1)))[1]
        assert store.pending("cloud") == [(oldest, store.head)]
        assert report.oldest == found[0].origin


async def test_a_clean_stop_writes_all_that_piled_up(tmp_path: Path, clock: MovingClock) -> None:
    alarms = Alarms()
    async with journal(tmp_path, clock, alarms) as store:
        of = store.number(source("meter", ("A",)))
        store.append([event(of, n, [n]) for n in range(AT_ONCE * 2 + 10)])
    async with journal(tmp_path, clock, alarms) as store:
        assert store.report().records == store.head == AT_ONCE * 2 + 10
    assert alarms == []


async def test_who_was_cut_short_is_told_what_may_be_missing(tmp_path: Path, clock: MovingClock) -> None:
    alarms = Alarms()
    async with journal(tmp_path / "one", clock, alarms) as store:
        wide(store, 3)
        await store.commit()
        copy_files(tmp_path / "one", tmp_path / "two")
    assert alarms == []
    async with journal(tmp_path / "two", clock, alarms) as store:
        assert alarms == [
            ("journal-cut", "raised", "the gateway was not stopped properly: at most the last 0.5 s are missing")
        ]
        wide(store, 1)
        await store.commit()
        assert alarms.names("cleared") == ["journal-cut"]
    async with journal(tmp_path / "two", clock, again := Alarms()):
        assert again == []


async def test_sent_records_that_go_are_no_loss(tmp_path: Path, clock: MovingClock) -> None:
    alarms = Alarms()
    async with journal(tmp_path, clock, alarms, max_bytes="1MB") as store:
        for n in range(60):
            wide(store, 200, n * 200)
            store.ack("cloud", 1, store.head)
            await store.commit()
        assert store.report().dropped["full"] == 0
        assert store.report().records < 12_000
        assert alarms == []


async def test_drop_newest_keeps_what_was_not_sent(tmp_path: Path, clock: MovingClock) -> None:
    alarms = Alarms()
    async with journal(tmp_path, clock, alarms, running=True, max_bytes="1MB", when_full="drop-newest") as store:
        store.pending("cloud")
        for n in range(120):
            wide(store, 50, n * 50)
            await store.commit()
        await eventually(lambda: bool(alarms), clock)
        report = store.report()
        assert (await store.read(0, 1))[0].offset == 1
        assert report.dropped["full"] == 6000 - report.records > 0
        assert report.bytes <= 1_000_000
        assert alarms.names() == ["journal-dropping"]
        store.append([message(1)])
        await store.commit()
        assert isinstance((await store.read(store.head - 1, 1))[0], Message), "messages come before readings"
        store.ack("cloud", 1, store.head)
        await clock.advance(1)
        await eventually(lambda: not store._full, clock)
        await clock.advance(70)
        await eventually(lambda: bool(alarms.names("cleared")), clock)
        for n in range(40):
            kept = wide(store, 50, n * 50)
            await store.commit()
            store.ack("cloud", 1, store.head)
        assert kept[-1].offset == store.head
        assert (await store.read(0, 1))[0].offset > 1


async def test_messages_outlive_the_readings_around_them(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock, max_bytes="1MB") as store:
        store.pending("cloud")
        store.append([message(1), message(2)])
        store.ack("cloud", 2, 2)
        for n in range(60):
            wide(store, 200, n * 200)
            await store.commit()
        kept = await store.read(0, 2)
        assert isinstance(kept[0], Message)
        assert (kept[0].offset, kept[0].body["id"]) == (1, "alarm-1")
        assert isinstance(kept[1], Event)
        assert store.pending("cloud") == [(1, 1), (kept[1].offset, store.head)]
    async with journal(tmp_path, clock, max_bytes="1MB") as store:
        assert (await store.read(0, 1))[0].offset == 1


async def test_bounded_by_age_even_when_nothing_happens(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock, running=True, max_age="10d") as store:
        store.pending("cloud")
        for _ in range(40):
            e = wide(store, 5)
            for one in e:
                one.origin = clock.now()
            await store.commit()
            await clock.advance(86400 / 4)
        await clock.advance(86400 * 5)
        await clock.advance(61)
        await eventually(lambda: store.report().dropped["age"] > 0, clock)
        assert store.report().oldest > clock.now() - 11 * 86400 * 10**9
        clock.trust = False
        clock.step_wall(86400 * 365)
        before = store.report().records
        wide(store, 1)
        await store.commit()
        assert store.report().records == before + 1, "a clock that is wrong removes nothing"


async def test_files_of_another_version_are_refused_with_what_to_do(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 3)
    path = only_file(tmp_path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    made = Journal(tmp_path, JournalSettings(), clock)
    with pytest.raises(ConfigError, match=r"format 99.*Start that version, or move the file away"):
        await made.open()
    await made.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM records").fetchone() == (3,), "it is left as it was"
    assert promised(tmp_path) == "3 stopped"
    db.close()


async def test_a_value_that_cannot_be_written_does_not_stop_the_rest(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        batch = wide(store, 1)
        bad = event(batch[0].source, 2, [object()])
        far = event(batch[0].source, 3)
        far.origin = 2**80
        store.append([bad, far])
        wide(store, 1)
        await store.commit()
        assert store.report().dropped["failed"] == 2
        assert store.report().records == 2


async def test_a_commit_that_is_given_up_is_seen_through(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 50)
        asked = asyncio.create_task(store.commit())
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await store.commit()
        assert store.report().records == 50
        assert len(await store.read(0, 100)) == 50


async def test_many_segments_answer_as_one(tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SMALLEST_SEGMENT", 20_000)
    async with journal(tmp_path, clock, max_bytes="1MB") as store:
        for n in range(20):
            wide(store, 40, n * 40, f"d{n % 3}")
            await store.commit()
        assert len(store._disk.segments) > 4
        assert [r.offset for r in await store.read(0, 2000)] == list(range(1, 801))
        found, total = await store.events(Selection(device="d1", offset=35, limit=10))
        assert total == 280
        assert [e.offset for e in found] == [*range(765, 760, -1), *range(680, 675, -1)]
        first, _ = await store.events(Selection(device="d1", limit=3, newest_first=False))
        assert [e.offset for e in first] == [41, 42, 43]
    async with journal(tmp_path, clock, max_bytes="1MB") as store:
        assert (await store.events(Selection(device="d2", limit=1)))[1] == 240


async def test_late_events_come_where_their_time_is(
    tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a device delivers afterwards lies in another file than its neighbours in time."""
    monkeypatch.setattr(disk, "SMALLEST_SEGMENT", 20_000)
    async with journal(tmp_path, clock, max_bytes="1MB") as store:
        for n in (0, 200, 100, 300):
            wide(store, 100, n)
            await store.commit()
        found, _ = await store.events(Selection(offset=150, limit=100))
        origins = [e.origin for e in found]
        assert origins == sorted(origins, reverse=True)
        assert origins[0] - origins[-1] == 99 * 10**9


async def test_last_years_values_do_not_make_a_file_each(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock, max_age="10d") as store:
        for n in range(20):
            for one in wide(store, 5, -86400 * 365 + n):
                assert one.origin < clock.now() - 300 * 86400 * 10**9
            await store.commit()
        assert len(store._disk.segments) == 1
