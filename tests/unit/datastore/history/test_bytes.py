"""The bound of bytes holds at every moment, and what is kept below it stays of use."""

import random
from pathlib import Path

import pytest

from datastore.history.keeper import Keeper
from datastore.history.spans import DAY, HOUR, MINUTE, SECOND
from datastore.journal import Journal
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Source
from tests.support.clock import MovingClock
from tests.support.history import keeper, levels, rows, take, tend
from tests.support.journals import journal
from tests.support.records import ORIGIN, resource, source

DAY_START = ORIGIN // DAY * DAY
BOUND = 10_000_000
FLOAT = ValueType.FLOAT64


def on_disk(folder: Path) -> int:
    """All of it: readings, sums, catalog, logs, what is being written."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def floats(device: str, count: int) -> Source:
    return Source("device-modbus", "p", device, "all", tuple(resource(f"R{n}", FLOAT) for n in range(count)))


def noise(of: Source, start: int, count: int, every: int) -> list[Event]:
    """What no compression makes smaller."""
    return [Event(of, start + n * every, [random.random() for _ in of.names]) for n in range(count)]


def bounded(made: Keeper, now: int, folder: Path) -> None:
    """Takes and tends, a step at a time."""
    more = True
    while more:
        more = made.answer({"do": "take", "now": now})["more"]
        assert on_disk(folder) <= BOUND
    more = True
    while more:
        more = made.answer({"do": "tend", "now": now, "trusted": True})["more"]
        assert on_disk(folder) <= BOUND


@pytest.mark.timeout(180)
async def test_a_week_at_full_rate_stays_below_its_bytes_at_every_step(tmp_path: Path) -> None:
    """T2, of a week that passes in seconds: 8 MB a day, which no compression makes smaller, into a history of 10 MB and
    a journal of 2 MB, a batch every two hours; each step of taking, merging and removing is looked at."""
    of, history, folder = floats("d1", 100), tmp_path / "history", tmp_path / "journal"
    clock = MovingClock()
    async with journal(folder, clock, max_bytes="2MB") as store:
        with keeper(history, folder, max_bytes="10MB") as made:
            for turn in range(7 * 12):
                start = DAY_START + turn * 2 * HOUR
                store.append(noise(of, start, 84, 85 * SECOND))
                await store.commit()
                assert on_disk(folder) <= 2_000_000
                bounded(made, start + 2 * HOUR, history)
            kept = [row[1] for row in rows(history)]
            assert max(kept) == start + 83 * 85 * SECOND
            assert min(kept) >= made.catalog.state("raw_from") > DAY_START + HOUR
            assert len(set(kept)) > 50, "not only the last minutes"
            assert made.catalog.cursor == store.head
            assert DAY_START in {row[1] for row in rows(history, "hour")}, "sums outlive what they are of"


@pytest.mark.timeout(180)
async def test_a_backlog_is_taken_within_the_bound(tmp_path: Path) -> None:
    """The keeper comes back after a day: the journal has more for it than it may keep."""
    of = floats("d1", 100)
    async with journal(tmp_path / "journal", MovingClock()) as store:
        for n in range(18):
            store.append(noise(of, DAY_START + n * 20 * MINUTE, 1000, SECOND))
            await store.commit()
        assert on_disk(tmp_path / "journal") > BOUND * 3 // 2
    with keeper(tmp_path / "history", tmp_path / "journal", max_bytes="10MB") as made:
        bounded(made, DAY_START + DAY, tmp_path / "history")
        assert max(row[3] for row in rows(tmp_path / "history")) == made.catalog.cursor == 18_000


@pytest.mark.timeout(180)
async def test_sums_that_fill_the_room_leave_readings_theirs(tmp_path: Path) -> None:
    """A reading a minute: its minute takes more than itself."""
    of, history = floats("d1", 150), tmp_path / "history"
    async with journal(tmp_path / "journal", MovingClock()) as store:
        with keeper(history, tmp_path / "journal", max_bytes="10MB") as made:
            for turn in range(36):
                start = DAY_START + turn * HOUR
                store.append(noise(of, start, 60, MINUTE))
                await store.commit()
                bounded(made, start + HOUR, history)
            bounded(made, start + 2 * HOUR, history)
            oldest, newest = min(row[1] for row in rows(history)), max(row[1] for row in rows(history))
            assert newest == start + 59 * MINUTE
            assert newest - oldest >= 2 * HOUR
            hours = {row[1] for row in rows(history, "hour")}
            assert hours == {DAY_START + n * HOUR for n in range(36)}


async def test_an_hour_too_large_to_be_rewritten_is_summed_up(tmp_path: Path) -> None:
    of, history = floats("d1", 100), tmp_path / "history"
    with keeper(history, tmp_path / "journal", max_bytes="10MB") as made:
        async with journal(tmp_path / "journal", MovingClock()) as store:
            store.append(noise(of, DAY_START, 3600, SECOND))
            await store.commit()
        take(made, DAY_START + HOUR)
        before = rows(history)
        bounded(made, DAY_START + 2 * HOUR, history)
        assert rows(history) == before
        assert len(rows(history, "minute")) == 100 * 60
        assert len(rows(history, "hour")) == 100
        assert sum(row[7] for row in rows(history, "hour")) == 360_000
        assert made.catalog.snapshot().covered("minute") == [(DAY_START, DAY_START + HOUR)]
        files = [file.name for file in made.catalog.files("raw")]
        bounded(made, DAY_START + 3 * HOUR, history)
        assert [file.name for file in made.catalog.files("raw")] == files, "once is enough"
        bounded(made, DAY_START + 2 * DAY, history)
        assert set(levels(history)) == {2}
        assert len(rows(history, "hour")) == 100


async def written(store: Journal, records: list[Event]) -> None:
    store.append(records)
    await store.commit()


async def test_long_texts_are_taken_in_small_batches(tmp_path: Path) -> None:
    """However long they are: not all that waits is in memory at once."""
    of = Source("s", "p", "scanner", "all", (resource("Code", ValueType.STRING),))
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        async with journal(tmp_path / "journal", MovingClock()) as store:
            for n in range(40):
                await written(store, [Event(of, ORIGIN + n * 100 + k, ["x" * 10_000]) for k in range(100)])
        first = made.answer({"do": "take", "now": ORIGIN})
        assert first["more"]
        assert first["records"] <= 1500
        take(made, ORIGIN)
        assert len(rows(tmp_path / "history")) == 4000


async def test_many_small_files_of_an_hour_become_one_before_it_is_over(tmp_path: Path) -> None:
    of = source("d1", ["A"])
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        async with journal(tmp_path / "journal", MovingClock()) as store:
            for n in range(130):
                now = DAY_START + n * 15 * SECOND
                await written(store, [Event(of, now, [n])])
                take(made, now)
                if n % 10 == 9:
                    tend(made, now)
        assert len(levels(tmp_path / "history")) < 90
        assert len(rows(tmp_path / "history")) == 130
