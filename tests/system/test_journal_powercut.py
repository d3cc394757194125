"""T2: the power goes. What was not yet synced is missing, the last page is torn: the journal opens, keeps every commit
up to there, says what is gone."""

import random
from pathlib import Path

import pytest

from datastore.journal import Journal
from gateway.model.reading import Event
from tests.support.clock import MovingClock
from tests.support.journals import Alarms, journal
from tests.support.records import event, source

COMMITS = 12
ROWS = 7
FRAME = 1024 + 24
WAL_HEADER = 32


async def fill(store: Journal, commits: int, first: int = 0) -> None:
    of = store.number(source("meter", [f"R{n}" for n in range(40)]))
    for n in range(first, first + commits):
        store.append([event(of, n * ROWS + k, [n * ROWS + k] * 40) for k in range(ROWS)])
        await store.commit()


def snapshot(folder: Path) -> dict[str, bytes]:
    """What a disk holds: no shared memory."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


def restore(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


async def kept(folder: Path, clock: MovingClock, alarms: Alarms | None = None) -> int:
    """How many whole commits a start finds; all in order and right; and that it goes on."""
    async with journal(folder, clock, alarms) as store:
        found = await store.read(0, 10_000)
        assert [r.offset for r in found] == list(range(1, len(found) + 1))
        assert all(isinstance(r, Event) and r.values == [r.offset - 1] * 40 for r in found)
        assert len(found) % ROWS == 0, "a commit is whole or not there"
        await fill(store, 1, 1000)
        assert store.report().state == "ok"
        assert store.head > COMMITS * ROWS + ROWS, "offsets that were given before the cut are not given again"
    return len(found) // ROWS


async def written(folder: Path, clock: MovingClock) -> list[dict[str, bytes]]:
    """The files after each commit."""
    states = []
    async with journal(folder, clock) as store:
        for n in range(COMMITS):
            await fill(store, 1, n)
            states.append(snapshot(folder))
    return states


def the_wal(files: dict[str, bytes]) -> str:
    (name,) = [name for name in files if name.endswith("-wal")]
    return name


async def test_every_way_to_cut_the_log(tmp_path: Path, clock: MovingClock) -> None:
    """At and around every frame, and somewhere within each."""
    states = await written(tmp_path / "whole", clock)
    last = states[-1]
    name = the_wal(last)
    log = last[name]
    ends = [len(state[name]) for state in states]
    chance = random.Random(3)
    frames = range(WAL_HEADER, len(log) + 1, FRAME)
    cuts = {0, 1, 31, *frames, *(at + 1 for at in frames), *(at - 1 for at in frames)}
    cuts |= {at + chance.randrange(FRAME) for at in frames}
    for number, cut in enumerate(sorted(c for c in cuts if c <= len(log))):
        alarms = Alarms()
        folder = restore({**last, name: log[:cut]}, tmp_path / f"cut-{number}")
        assert await kept(folder, clock, alarms) == len([end for end in ends if end <= cut])
        assert set(alarms.names()) <= {"journal-cut"}


async def test_a_torn_last_page(tmp_path: Path, clock: MovingClock) -> None:
    states = await written(tmp_path / "whole", clock)
    last, before = states[-1], states[-2]
    name = the_wal(last)
    chance = random.Random(4)
    for number in range(30):
        torn = bytearray(last[name])
        start = chance.randrange(len(before[name]), len(torn))
        torn[start:] = chance.randbytes(len(torn) - start)
        folder = restore({**last, name: bytes(torn)}, tmp_path / f"torn-{number}")
        assert await kept(folder, clock) in (COMMITS - 1, COMMITS)


async def test_a_cut_while_the_log_is_folded_in(tmp_path: Path, clock: MovingClock) -> None:
    """Some pages of the file are new, some are not, the log is whole: nothing is missing."""
    async with journal(tmp_path / "whole", clock) as store:
        await fill(store, 4)
        store._disk.segments[-1].open(1).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await fill(store, COMMITS - 4, 4)
        before = snapshot(tmp_path / "whole")
        store._disk.segments[-1].open(1).execute("PRAGMA wal_checkpoint(FULL)")
        after = snapshot(tmp_path / "whole")
    (name,) = [name for name in before if name.endswith(".db")]
    old, new = before[name].ljust(len(after[name]), b"\0"), after[name]
    chance = random.Random(5)
    for number in range(30):
        pages = [
            (new if chance.random() < 0.5 else old)[at : at + 1024]
            for at in range(0, len(new) - 1024 * (number % 3), 1024)
        ]
        folder = restore({**before, name: b"".join(pages)}, tmp_path / f"half-{number}")
        assert await kept(folder, clock) == COMMITS


async def test_a_cut_while_a_segment_is_sealed(
    tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index is being made, in a file that has no log any more: what was begun is taken back at the next start."""
    from datastore import segment as segments

    caught: list[dict[str, bytes]] = []
    transaction = segments.transaction

    def watched(db):  # type: ignore[no-untyped-def]
        if caught or db.execute("PRAGMA journal_mode").fetchone() != ("delete",):
            return transaction(db)
        db.execute("PRAGMA cache_size=2")
        db.execute("BEGIN IMMEDIATE")
        db.execute("CREATE INDEX by_source ON records (source, origin)")
        db.execute("PRAGMA cache_spill=ON")
        db.execute("DELETE FROM summary")
        caught.append(snapshot(tmp_path / "whole"))
        db.execute("ROLLBACK")
        return transaction(db)

    monkeypatch.setattr(segments, "transaction", watched)
    async with journal(tmp_path / "whole", clock) as store:
        await fill(store, COMMITS)
        store._disk.segments[-1].seal(1)
    assert any(name.endswith("-journal") for name in caught[0])
    assert await kept(restore(caught[0], tmp_path / "cut"), clock) == COMMITS


async def test_a_file_that_was_only_begun(tmp_path: Path, clock: MovingClock) -> None:
    (tmp_path / "journal-0000000000000001.db").write_bytes(b"")
    async with journal(tmp_path, clock) as store:
        await fill(store, 2)
        assert store.report().moved_aside == ""
        assert len(await store.read(0, 100)) == 2 * ROWS
