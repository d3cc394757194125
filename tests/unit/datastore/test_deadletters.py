"""Dead letters on disk: whole records with the reasons, bounded, in a file that can be read alone."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from datastore.deadletters import SqliteLetters
from gateway.model.errors import ConfigError, StoreFailed
from gateway.model.reading import Event, Message, Quality
from tests.support.clock import MovingClock
from tests.support.records import ORIGIN, event, message, source


@contextlib.asynccontextmanager
async def letters(folder: Path, clock: MovingClock, most: int = 100) -> AsyncIterator[SqliteLetters]:
    made = SqliteLetters(folder / "deadletters.db", clock, most)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def numbered(count: int, start: int = 1) -> list[tuple[Event, str]]:
    return [(replace(event(source(f"d{n}"), n), offset=n), f"why {n}") for n in range(start, start + count)]


async def test_nothing_refused_makes_no_file(tmp_path: Path, clock: MovingClock) -> None:
    async with letters(tmp_path, clock) as kept:
        assert await kept.find() == ([], 0)
        assert await kept.get([1]) == []
        assert await kept.drop([1]) == 0
        assert kept.ever("x") == 0
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240


async def test_records_come_back_whole_also_after_a_restart(tmp_path: Path, clock: MovingClock) -> None:
    odd = Event(source(), ORIGIN, [None, 5], quality={0: Quality("bad", "timeout")}, times={1: 7}, offset=3)
    said = replace(message(2), offset=4)
    async with letters(tmp_path, clock) as kept:
        await kept.put("export-a", [(odd, "too odd"), (said, "not now")])
        await kept.put("export-b", numbered(1))
    async with letters(tmp_path, clock) as kept:
        found, total = await kept.find("export-a")
        assert (total, [letter.why for letter in found], found[0].at) == (2, ["too odd", "not now"], clock.now())
        first, second = (letter.record for letter in found)
        assert isinstance(first, Event)
        assert isinstance(second, Message)
        assert (first.source.device, first.source.names, first.offset) == ("meter", ("Voltage", "Current"), 3)
        assert (first.values, first.quality, first.times) == (odd.values, odd.quality, odd.times)
        assert (second.kind, second.body) == ("alarm", said.body)
        assert (kept.ever("export-a"), kept.ever("export-b"), (await kept.find())[1]) == (2, 1, 3)


async def test_pages_reasons_and_dropping(tmp_path: Path, clock: MovingClock) -> None:
    async with letters(tmp_path, clock) as kept:
        await kept.put("c", numbered(5))
        first, _ = await kept.find("c", 0, 2)
        second, total = await kept.find("c", first[-1].number, 2)
        assert [letter.why for letter in (*first, *second)] == ["why 1", "why 2", "why 3", "why 4"]
        await kept.put("c", [(numbered(1)[0][0], "another reason")])
        assert (kept.ever("c"), total) == (5, 5), "the same record is one letter"
        assert [letter.why for letter in await kept.get([first[0].number])] == ["another reason"]
        assert await kept.drop([first[0].number, 999]) == 1
        assert (await kept.find("c"))[1] == 4
        assert kept.ever("c") == 5


async def test_a_side_that_refuses_everything_does_not_fill_the_disk(tmp_path: Path, clock: MovingClock) -> None:
    async with letters(tmp_path, clock, most=10) as kept:
        for start in range(1, 101, 20):
            await kept.put("c", numbered(20, start))
        await kept.put("other", numbered(3))
        found, total = await kept.find("c")
        assert (total, kept.ever("c"), (await kept.find("other"))[1]) == (10, 100, 3)
        assert [letter.why for letter in found] == [f"why {n}" for n in range(91, 101)]


async def test_a_damaged_file_is_moved_aside_and_a_foreign_one_refused(tmp_path: Path, clock: MovingClock) -> None:
    file = tmp_path / "deadletters.db"
    file.write_bytes(b"no database" * 1000)
    async with letters(tmp_path, clock) as kept:
        await kept.put("c", numbered(1))
        assert (await kept.find())[1] == 1
    assert len(list(tmp_path.glob("deadletters.db.corrupt-*"))) == 1  # noqa: ASYNC240
    import sqlite3

    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigError, match="another version"):
        async with letters(tmp_path, clock):
            pass


async def test_a_disk_that_refuses_is_told(tmp_path: Path, clock: MovingClock) -> None:
    (tmp_path / "deadletters.db").mkdir()
    async with letters(tmp_path, clock) as kept:
        with pytest.raises(StoreFailed, match=r"deadletters\.db"):
            await kept.put("c", numbered(1))
    with pytest.raises(StoreFailed, match="closed"):
        await kept.put("c", numbered(1))
