"""T3, T4, T5, of the history: its disk is full, read-only, forbidden or failing, its files are damaged. The journal and
all that lives of it goes on, an alarm says what is wrong, and it heals by itself."""

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from datastore.history.history import CONSUMER, History
from datastore.history.spans import DAY
from datastore.journal import Journal
from gateway.model.query import Selection
from gateway.runtime.clock import SystemClock
from tests.support.history import keeper, rows, take, tend
from tests.support.journals import Alarms, eventually, journal
from tests.support.peers import need
from tests.system.test_history import now_events, running
from tests.system.test_journal_disk import DAMAGE, SmallDisk, damage, small_disk, wide

__all__ = ["small_disk"]


@contextlib.asynccontextmanager
async def kept(data: Path, alarms: Alarms, **settings: str) -> AsyncIterator[tuple[Journal, History]]:
    async with (
        journal(data / "journal", SystemClock(), alarms, running=True, **settings) as store,
        running(data, store, alarms) as history,
    ):
        yield store, history


async def taken(store: Journal) -> None:
    await eventually(lambda: store.pending(CONSUMER) == [], seconds=30)


async def healed(history: History) -> None:
    await eventually(lambda: history.report().state == "ok", seconds=30)


async def goes_on(store: Journal) -> None:
    """Everybody else has what comes."""
    before = store.head
    wide(store, 50)
    await store.commit()
    assert store.report().state == "ok"
    assert len(await store.read(before, 100)) == 50
    assert (await store.events(Selection(limit=1)))[1] == store.head


@contextlib.contextmanager
def full(disk: SmallDisk, _: History) -> Iterator[None]:
    disk.fill()
    yield
    disk.free()


@contextlib.contextmanager
def read_only(disk: SmallDisk, _: History) -> Iterator[None]:
    """Mounted over itself: a file system with a file open for writing refuses to become read-only."""
    for command in (["--bind", str(disk.folder)], ["-o", "remount,bind,ro"]):
        subprocess.run(["mount", *command, str(disk.folder)], check=True)
    yield
    subprocess.run(["umount", "-l", str(disk.folder)], check=True)


@contextlib.contextmanager
def failing(_: SmallDisk, history: History) -> Iterator[None]:
    """Writing beyond a few bytes of any file is an I/O error to the keeper."""
    resource.prlimit(history.process.pid, resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
    yield
    resource.prlimit(history.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.parametrize(
    ("trouble", "said"), [(full, "No space left"), (read_only, "Read-only file system"), (failing, "File too large")]
)
async def test_a_disk_that_fails_holds_nothing_up_and_heals(
    tmp_path: Path,
    small_disk: SmallDisk,
    trouble: Callable[[SmallDisk, History], contextlib.AbstractContextManager[None]],
    said: str,
) -> None:
    alarms = Alarms()
    (tmp_path / "history").symlink_to(small_disk.folder)
    async with kept(tmp_path, alarms) as (store, history):
        now_events(store, 100)
        await taken(store)
        with trouble(small_disk, history):
            now_events(store, 100)
            await eventually(lambda: history.report().state != "ok", seconds=30)
            assert said in history.report().state
            assert "exception" not in history.report().state
            await goes_on(store)
            assert store.pending(CONSUMER) == [(101, 250)]
        await taken(store)
        await healed(history)
    assert alarms.names() == alarms.names("cleared") == ["history-failing"]
    assert len([row for row in rows(tmp_path / "history") if row[3] <= 200]) == 400


@pytest.mark.parametrize("trouble", ["a file", "read-only"])
async def test_a_folder_that_cannot_be_written_at_start(tmp_path: Path, small_disk: SmallDisk, trouble: str) -> None:
    """What stands in the way is said, and when it is gone the history begins."""
    folder = small_disk.folder / "history"
    (tmp_path / "history").symlink_to(folder)
    if trouble == "a file":
        folder.write_text("in the way", "utf-8")
    else:
        folder.mkdir()
        small_disk.read_only(True)
    alarms = Alarms()
    async with kept(tmp_path, alarms) as (store, history):
        now_events(store, 100)
        await eventually(lambda: bool(alarms), seconds=30)
        assert str(tmp_path / "history") in alarms[0][2]
        assert ("File exists" if trouble == "a file" else "Read-only file system") in alarms[0][2]
        await goes_on(store)
        if trouble == "a file":
            folder.unlink()
            folder.mkdir()
        else:
            small_disk.read_only(False)
        await taken(store)
        await healed(history)
    assert alarms.names() == alarms.names("cleared") == ["history-failing"]


def test_a_folder_it_may_not_write(tmp_path: Path) -> None:
    """In a process of its own, since rights belong to a whole process."""
    rights = [need("setpriv"), "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    command = [sys.executable, "-m", "tests.system.history_trouble", str(tmp_path / "data")]
    done = subprocess.run([*rights, *command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "Permission denied" in told["failing"]
    assert str(tmp_path / "data" / "history") in told["failing"]
    assert told["meanwhile"] == [[1, 100]]
    assert told["alarms"] == [["history-failing", "raised"], ["history-failing", "cleared"]]


async def test_a_journal_that_keeps_the_oldest_is_held_up_is_said_and_goes_on(
    tmp_path: Path, small_disk: SmallDisk
) -> None:
    """Under `drop-newest` a history that cannot write is a consumer that has not taken: what is read is dropped, both
    alarms say so, and all goes on as soon as it can."""
    alarms = Alarms()
    (tmp_path / "history").symlink_to(small_disk.folder)
    async with kept(tmp_path, alarms, max_bytes="1MB", when_full="drop-newest") as (store, history):
        now_events(store, 100)
        await taken(store)
        small_disk.fill()
        for _ in range(100):
            wide(store, 100)
            await store.commit()
        await eventually(lambda: history.report().state != "ok", seconds=30)
        assert store.report().dropped["full"] > 0
        await eventually(lambda: sorted(alarms.names()) == ["history-failing", "journal-dropping"])
        head = store.head
        small_disk.free()
        await taken(store)
        await healed(history)
        await eventually(lambda: bool(wide(store, 1)) and store.head > head)
        await taken(store)
    assert alarms.names("cleared") == ["history-failing"], "journal-dropping is cleared after a quiet minute"


@pytest.mark.parametrize("kind", DAMAGE)
async def test_a_damaged_catalog_is_moved_aside_at_start(tmp_path: Path, kind: str) -> None:
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        async with journal(tmp_path / "journal", SystemClock()) as store:
            now_events(store, 100)
        take(made, SystemClock().now())
    content = damage(tmp_path / "history" / "catalog.db", kind)
    alarms = Alarms()
    async with kept(tmp_path, alarms) as (store, history):
        await eventually(lambda: bool(history.report().tiers), seconds=30)
        assert alarms.names() == ["history-damaged"]
        aside = Path(history.report().moved_aside)
        assert (aside / "catalog.db").read_bytes() == content
        assert len(list((aside / "files").iterdir())) == 1
    assert len(rows(tmp_path / "history")) == 200, "the journal still has it"


async def test_a_catalog_damaged_while_it_is_written(tmp_path: Path) -> None:
    alarms = Alarms()
    async with kept(tmp_path, alarms) as (store, history):
        now_events(store, 100)
        await taken(store)
        for path in (tmp_path / "history").glob("catalog.db*"):
            with path.open("r+b") as file:
                file.write(b"\xa5" * path.stat().st_size)
        now_events(store, 100)
        await eventually(lambda: "history-damaged" in alarms.names(), seconds=40)
        await taken(store)
        await healed(history)
    assert len(rows(tmp_path / "history")) == 400


async def test_a_torn_file_is_moved_aside_at_start(tmp_path: Path) -> None:
    for n in range(2):
        with keeper(tmp_path / "history", tmp_path / "journal") as made:
            async with journal(tmp_path / "journal", SystemClock()) as store:
                now_events(store, 100 + n)
            take(made, SystemClock().now())
            torn = made.catalog.path(made.catalog.files("raw")[0])
    os.truncate(torn, torn.stat().st_size - 100)
    alarms = Alarms()
    async with kept(tmp_path, alarms) as (_, history):
        await eventually(lambda: bool(history.report().tiers), seconds=30)
        assert history.report().state == "ok"
    assert alarms.names() == ["history-damaged"]
    assert len(rows(tmp_path / "history")) == 202


async def test_a_torn_log_of_the_catalog_takes_nothing(tmp_path: Path) -> None:
    """What the power left of the write-ahead log: what it had is taken from the journal once more."""
    made = keeper(tmp_path / "history", tmp_path / "journal")
    with made as first:
        async with journal(tmp_path / "journal", SystemClock()) as store:
            for n in (100, 101):
                now_events(store, n)
                await store.commit()
                take(first, SystemClock().now())
        log = tmp_path / "history" / "catalog.db-wal"
        torn = log.read_bytes()[:-1500]
        whole = (tmp_path / "history" / "catalog.db").read_bytes()
    (tmp_path / "history" / "catalog.db").write_bytes(whole)
    log.write_bytes(torn)
    with keeper(tmp_path / "history", tmp_path / "journal") as again:
        take(again, SystemClock().now())
        tend(again, SystemClock().now() + 3 * DAY)
    found = rows(tmp_path / "history")
    assert len(found) == len({(row[0], row[3]) for row in found}) == 402
