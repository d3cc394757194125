"""T3, T4, T5: a disk that is full, read-only, forbidden or failing, and files that are damaged. Polling goes on, the
state is told, the journal heals by itself."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datastore.journal import Journal
from datastore.tail import LIMIT
from gateway.model.errors import StoreFailed
from gateway.model.query import Selection
from gateway.model.reading import Event
from tests.support.clock import MovingClock
from tests.support.journals import Alarms, eventually, journal
from tests.support.peers import need
from tests.support.records import event, message, source

WIDE = [f"R{n}" for n in range(100)]
MB = 1_000_000


def wide(store: Journal, count: int) -> list[Event]:
    of = store.number(source("meter", WIDE))
    made = [event(of, n, [(n * 7919 + k * 104729) % 65536 for k in range(100)]) for n in range(count)]
    store.append(made)
    return made


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command[:3])} … does not work here: {done.stderr.strip()}")


class SmallDisk:
    """A file system of 4 MB of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"

    def fill(self) -> None:
        """Takes all the room there is."""
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        filler.write(b"\0" * size)
                except OSError:
                    continue

    def free(self) -> None:
        (self.folder / "filler").unlink()

    def read_only(self, is_so: bool) -> None:
        run("mount", "-o", "remount,ro" if is_so else "remount,rw", str(self.folder))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("journal-*.db"))


async def test_full_disk(small_disk: SmallDisk, clock: MovingClock) -> None:
    alarms = Alarms()
    async with journal(small_disk.data, clock, alarms, running=True) as store:
        before = wide(store, 100)
        await store.commit()
        small_disk.fill()
        during = []
        for _ in range(20):
            during += wide(store, 50)
            await clock.advance(0.5)
        await eventually(lambda: bool(alarms), clock)
        assert store.report().state == "failing: database or disk is full"
        assert alarms.names() == ["journal-failing"]
        with pytest.raises(StoreFailed, match="full"):
            await store.commit()
        assert [r.offset for r in await store.read(before[-1].offset, 2000)] == [e.offset for e in during]
        assert (await store.events(Selection(limit=1)))[1] == len(before) + len(during)
        small_disk.free()
        await eventually(lambda: store.report().state == "ok", clock)
        assert store.report().committed == store.head
        assert store.report().dropped == {"full": 0, "age": 0, "failed": 0}
        assert alarms.names("cleared") == ["journal-failing"]
    async with journal(small_disk.data, clock) as store:
        assert (await store.events(Selection(limit=1)))[1] == len(before) + len(during)


async def test_full_disk_for_long_keeps_the_newest_in_bounded_memory(small_disk: SmallDisk, clock: MovingClock) -> None:
    """T39 as well: whoever is slow, a disk or a consumer, memory is bounded."""
    async with journal(small_disk.data, clock, running=True) as store:
        wide(store, 10)
        await store.commit()
        small_disk.fill()
        for _ in range(300):
            wide(store, 100)
        said = message(1)
        store.append([said])
        for _ in range(100):
            wide(store, 100)
        await clock.advance(5)
        assert len(store._tail.records) < LIMIT / 100
        assert store.report().dropped["failed"] > 30_000
        newest = await store.read(store.head - 3, 10)
        assert [r.offset for r in newest] == [store.head - 2, store.head - 1, store.head]
        small_disk.free()
        await eventually(lambda: store.report().state == "ok", clock)
        assert (await store.read(said.offset - 1, 1))[0].offset == said.offset, (
            "messages are not dropped before readings"
        )


async def test_full_disk_makes_room_by_dropping_the_oldest(small_disk: SmallDisk, clock: MovingClock) -> None:
    async with journal(small_disk.data, clock, max_bytes="2MB") as store:
        store.pending("cloud")
        for _ in range(30):
            wide(store, 200)
            await store.commit()
        files = len(segments(small_disk.data))
        small_disk.fill()
        for _ in range(10):
            wide(store, 200)
            await store.commit()
        assert store.report().state == "ok"
        assert len(segments(small_disk.data)) <= files
        oldest = (await store.read(0, 1))[0].offset
        assert store.report().dropped["full"] == oldest - 1 > 0


async def test_full_disk_makes_room_when_a_file_is_to_be_begun(small_disk: SmallDisk, clock: MovingClock) -> None:
    async with journal(small_disk.data, clock, max_bytes="2MB") as store:
        store.pending("cloud")
        for _ in range(30):
            wide(store, 200)
            await store.commit()
        store._disk.segments[-1].seal(1)
        small_disk.fill()
        wide(store, 20)
        await store.commit()
        assert store.report().dropped["full"] > 0


async def test_full_disk_under_drop_newest(small_disk: SmallDisk, clock: MovingClock) -> None:
    async with journal(small_disk.data, clock, max_bytes="2MB", when_full="drop-newest") as store:
        store.pending("cloud")
        for _ in range(5):
            wide(store, 200)
            await store.commit()
        small_disk.fill()
        for _ in range(100):
            wide(store, 100)
        with pytest.raises(StoreFailed):
            await store.commit()
        report = store.report()
        assert report.dropped["failed"] > 0
        assert report.dropped["full"] == 0
        assert (await store.read(0, 1))[0].offset == 1
        small_disk.free()
        await store.commit()
        assert [r.offset for r in await store.read(0, 100_000)] == list(range(1, store.head + 1))


async def test_read_only_in_the_middle(small_disk: SmallDisk, clock: MovingClock) -> None:
    alarms = Alarms()
    async with journal(small_disk.data, clock, alarms, running=True) as store:
        wide(store, 100)
        await store.commit()
        store._disk.segments[-1].close()  # a file system with a file open for writing refuses to become read-only
        small_disk.read_only(True)
        wide(store, 50)
        await eventually(lambda: bool(alarms), clock)
        assert store.report().state.startswith("failing: ")
        assert (await store.events(Selection(limit=1)))[1] == 150
        small_disk.read_only(False)
        await eventually(lambda: store.report().state == "ok", clock)
        assert store.report().records == 150
    assert [(name, state) for name, state, _ in alarms] == [
        ("journal-failing", "raised"),
        ("journal-failing", "cleared"),
    ]


async def test_read_only_at_start(small_disk: SmallDisk, clock: MovingClock) -> None:
    async with journal(small_disk.data, clock) as store:
        wide(store, 100)
    small_disk.read_only(True)
    alarms = Alarms()
    async with journal(small_disk.data, clock, alarms, running=True) as store:
        assert store.report().state.startswith("failing: ")
        assert alarms.names() == ["journal-failing"]
        assert len(await store.read(0, 1000)) == 100
        given = wide(store, 50)
        assert given[0].offset > 100
        assert (await store.events(Selection(limit=1)))[1] == 150
        small_disk.read_only(False)
        await eventually(lambda: store.report().state == "ok", clock)
        await store.commit()
        last = given[-1].offset
    async with journal(small_disk.data, clock) as store:
        assert store.report().records == 150
        assert wide(store, 1)[0].offset > last


@pytest.mark.parametrize("trouble", ["forbidden", "failing"])
def test_forbidden_at_start_and_io_errors_in_the_middle(tmp_path: Path, trouble: str) -> None:
    """In a process of its own, since both belong to a whole process: its rights, how large its files may be."""
    rights = [need("setpriv"), "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    command = [sys.executable, "-m", "tests.system.journal_trouble", str(tmp_path / "data"), trouble]
    done = subprocess.run([*rights, *command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["failing"].startswith("failing: ")
    assert told["sent_meanwhile"] == 50
    assert told["healed"] == "ok"
    assert told["records"] == told["appended"]
    assert told["alarms"] == [["journal-failing", "raised"], ["journal-failing", "cleared"]]


DAMAGE = {
    "text": lambda content: b"not a database at all, only text " * 200,
    "zeros": lambda content: bytes(len(content)),
    "half a header": lambda content: content[:50],
    "torn in the middle": lambda content: content[: len(content) // 2],
    "garbage pages": lambda content: content[:1024] + b"\xa5" * (len(content) - 1024),
}


def damage(path: Path, kind: str) -> bytes:
    made: bytes = DAMAGE[kind](path.read_bytes())
    path.write_bytes(made)
    return made


def read_file(path: str) -> bytes:
    return Path(path).read_bytes()


@pytest.mark.parametrize("kind", DAMAGE)
async def test_a_damaged_file_is_moved_aside_at_start(tmp_path: Path, clock: MovingClock, kind: str) -> None:
    async with journal(tmp_path, clock) as store:
        wide(store, 200)
    content = damage(segments(tmp_path)[0], kind)
    alarms = Alarms()
    async with journal(tmp_path, clock, alarms) as store:
        assert alarms.names() == ["journal-damaged"]
        assert read_file(store.report().moved_aside) == content
        assert store.report().state == "ok"
        assert wide(store, 5)[0].offset > 200, "what was in it may have been sent"
        await store.commit()
        assert len(await store.read(0, 100)) == 5
    async with journal(tmp_path, clock, again := Alarms()) as store:
        assert again == []
        assert store.report().records == 5


async def test_one_damaged_file_of_many_takes_only_its_own(tmp_path: Path, clock: MovingClock) -> None:
    async with journal(tmp_path, clock, max_bytes="2MB") as store:
        for _ in range(12):
            wide(store, 200)
            await store.commit()
        whole = [(one.first, one.last) for one in store._disk.segments]
    damage(segments(tmp_path)[1], "garbage pages")
    first, last = whole[1]
    alarms = Alarms()
    async with journal(tmp_path, clock, alarms, max_bytes="2MB") as store:
        store.ack("cloud", 1, 10)
        for _ in range(2):
            found = [record.offset for record in await store.read(0, 10_000)]
            assert found == [n for n in range(1, 2401) if not first <= n <= last]
        _, total = await store.events(Selection(limit=1))
        assert total == len(found)
        assert alarms.names() == ["journal-damaged"]
        assert store.report().dropped["failed"] in (0, last - first + 1)


async def test_a_file_damaged_while_it_is_written(tmp_path: Path, clock: MovingClock) -> None:
    alarms = Alarms()
    async with journal(tmp_path, clock, alarms) as store:
        wide(store, 200)
        await store.commit()
        store._disk.segments[-1].close()
        damage(segments(tmp_path)[0], "text")
        wide(store, 10)
        await store.commit()
        assert store.report().state == "ok"
        assert alarms.names() == ["journal-damaged"]
        assert store.report().records == 10
        assert await asyncio.wait_for(store.wait(209), 1) == 210
