"""The keeper as the gateway runs it: a process that is killed, a full disk, a journal that drops what is read."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from datastore.history.catalog import cursor_of
from datastore.history.history import CONSUMER, History
from datastore.history.settings import HistorySettings
from datastore.journal import Journal
from gateway.model.reading import Event
from gateway.runtime.clock import SystemClock
from tests.support.history import keeper, rows, take
from tests.support.journals import Alarms, eventually, journal
from tests.support.records import source
from tests.system.test_journal_disk import SmallDisk, small_disk, wide

__all__ = ["small_disk"]


@contextlib.asynccontextmanager
async def running(data: Path, store: Journal, alarms: Alarms, **settings: Any) -> AsyncIterator[History]:
    made = History(data, store, HistorySettings(flush="1s", **settings), SystemClock(), alarms)
    run = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await made.close()


def now_events(store: Journal, count: int) -> None:
    """Of this moment: older ones would be too old to be kept."""
    of = store.number(source("meter", ["A", "B"]))
    now = SystemClock().now()
    store.append([Event(of, now + n, [n, n]) for n in range(count)])


async def test_everything_of_the_journal_comes_and_is_acknowledged(tmp_path: Path) -> None:
    alarms = Alarms()
    async with journal(tmp_path / "journal", SystemClock(), alarms, running=True) as store:
        async with running(tmp_path, store, alarms) as history:
            now_events(store, 500)
            assert store.pending(CONSUMER) == [(1, 500)]
            await eventually(lambda: store.pending(CONSUMER) == [], seconds=30)
            await eventually(lambda: bool(history.report().tiers), seconds=30)
            report = history.report()
            assert (report.state, report.behind, report.tiers["raw"].rows) == ("ok", 0, 1000)
            assert report.words
        assert history.process.pid == 0
    assert len(rows(tmp_path / "history")) == 1000
    assert alarms == []


async def another(history: History, than: int) -> int:
    await eventually(lambda: history.process.pid not in (0, than), seconds=30)
    return history.process.pid


async def test_a_keeper_that_dies_is_started_anew_and_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    alarms = Alarms()
    async with (
        journal(tmp_path / "journal", SystemClock(), alarms, running=True) as store,
        running(tmp_path, store, alarms) as history,
    ):
        killed = 0
        for _ in range(4):
            now_events(store, 100)
            killed = await another(history, killed)
            os.kill(killed, signal.SIGKILL)
        await eventually(lambda: store.pending(CONSUMER) == [], seconds=30)
        await eventually(lambda: history.report().state == "ok", seconds=30)
    assert len(rows(tmp_path / "history")) == 800
    assert alarms.names() == ["history-failing"] * len(alarms.names("cleared"))
    assert "it is started again" in alarms[0][2]


async def test_a_full_disk_of_the_history_holds_nothing_up(tmp_path: Path, small_disk: SmallDisk) -> None:
    """T3, of the history: values go on, an alarm is raised, and it heals by itself."""
    alarms = Alarms()
    (tmp_path / "history").symlink_to(small_disk.folder)
    async with (
        journal(tmp_path / "journal", SystemClock(), alarms, running=True) as store,
        running(tmp_path, store, alarms) as history,
    ):
        now_events(store, 100)
        await eventually(lambda: store.pending(CONSUMER) == [], seconds=30)
        small_disk.fill()
        now_events(store, 100)
        await eventually(lambda: history.report().state != "ok", seconds=30)
        wide(store, 50)
        await store.commit()
        assert store.report().state == "ok"
        assert store.pending(CONSUMER) == [(101, 250)]
        small_disk.free()
        await eventually(lambda: store.pending(CONSUMER) == [], seconds=30)
        await eventually(lambda: history.report().state == "ok", seconds=30)
    assert alarms.names() == ["history-failing"]
    assert alarms.names("cleared") == ["history-failing"]
    assert len([row for row in rows(tmp_path / "history") if row[3] <= 200]) == 400


async def test_what_the_journal_drops_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    of = source("meter", [f"R{n}" for n in range(100)])
    clock = SystemClock()
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        async with journal(tmp_path / "journal", clock, max_bytes="1MB") as store:
            for turn in range(40):
                now = clock.now()
                store.append([Event(of, now + n, [(n * 7919 + k) % 65536 for k in range(100)]) for n in range(500)])
                writing = asyncio.create_task(store.commit())
                await asyncio.sleep(0)
                if turn % 16 == 7:
                    await asyncio.to_thread(take, made, now)
                await writing
            await asyncio.to_thread(take, made, clock.now())
            head = store.head
    found = rows(tmp_path / "history")
    taken = {row[3] for row in found}
    assert len({(row[0], row[3]) for row in found}) == len(found) == 100 * len(taken)
    assert max(taken) == head
    assert len(taken) < head


async def test_offsets_are_not_given_again_when_the_journal_is_gone(tmp_path: Path) -> None:
    clock = SystemClock()
    async with journal(tmp_path / "journal", clock) as store:
        now_events(store, 300)
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        take(made, clock.now())
    for path in (tmp_path / "journal").iterdir():
        path.unlink()
    anew = Journal(tmp_path / "journal", store._settings, clock)
    await anew.open(cursor_of(tmp_path / "history"))
    now_events(anew, 5)
    await anew.close()
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        assert take(made, clock.now()) == 5
    assert len({row[3] for row in rows(tmp_path / "history")}) == 305


async def test_a_history_of_another_version_is_refused_in_words(tmp_path: Path) -> None:
    """T9."""
    import sqlite3

    with keeper(tmp_path / "history", tmp_path / "journal"):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "history" / "catalog.db")) as db:
        db.execute("PRAGMA user_version=99")
    alarms = Alarms()
    async with (
        journal(tmp_path / "journal", SystemClock(), alarms) as store,
        running(tmp_path, store, alarms) as history,
    ):
        await eventually(lambda: "format 99" in history.report().state, seconds=30)
    assert alarms.names() == ["history-failing"]


@pytest.mark.parametrize("missing", ["duckdb", "numpy"])
def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    from datastore.history import history
    from gateway.model.errors import ConfigError

    monkeypatch.setattr(history, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(ConfigError, match=rf"{missing} must be installed.*southgate\[history\]"):
        history.check_extra()
