"""T2, of the history: the power goes. What the catalog's log had not yet on the disk is missing or torn; files of a
batch that it does not know any more are there. The journal still has what the catalog knows nothing of."""

import random
import shutil
from pathlib import Path

import pytest

from gateway.model.reading import Record
from tests.support.clock import MovingClock
from tests.support.history import keeper, rows, take
from tests.support.journals import journal
from tests.support.records import ORIGIN, event, message, source
from tests.system.test_journal_powercut import FRAME, WAL_HEADER

BATCHES = 4
EVENTS = 50


async def written(folder: Path) -> tuple[Path, Path]:
    """A journal, and the history of it as it is on the disk after some batches while the keeper runs."""
    whole = folder / "whole"
    of = source("meter", ["A", "B"])
    async with journal(folder / "journal", MovingClock(), max_age="36500d") as store:
        with keeper(folder / "history", folder / "journal") as made:
            for n in range(BATCHES):
                batch: list[Record] = [event(of, n * EVENTS + k, [n, k]) for k in range(EVENTS)]
                store.append([*batch, message(n)])
                await store.commit()
                assert take(made, ORIGIN) == EVENTS + 1
            whole.mkdir()
            shutil.copytree(folder / "history", whole, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*-shm"))
    return whole, whole / "catalog.db-wal"


def all_is_there(folder: Path, data: Path) -> int:
    """Everything once, after a start; returns how many records were to be taken again."""
    with keeper(folder, data / "journal") as made:
        assert not made.moved_aside
        again = take(made, ORIGIN)
    found = [(row[3], row[4]) for row in rows(folder)]
    assert len(found) == BATCHES * EVENTS * 2
    assert len({row[0] for row in found}) == BATCHES * EVENTS
    assert len(rows(folder, "messages")) == BATCHES
    return again


@pytest.mark.timeout(120)
async def test_every_way_to_cut_the_catalogs_log(tmp_path: Path) -> None:
    """At and around every few frames, and somewhere within."""
    whole, wal = await written(tmp_path)
    log, chance = wal.read_bytes(), random.Random(3)
    frames = list(range(WAL_HEADER, len(log) + 1, FRAME))
    assert len(frames) > 2 * BATCHES
    cuts = {0, 1, *(at + chance.choice([-1, 0, 1, chance.randrange(FRAME)]) for at in frames)}
    again = set()
    for number, cut in enumerate(sorted(c for c in cuts if c <= len(log))):
        folder = tmp_path / f"cut-{number}"
        shutil.copytree(whole, folder)
        (folder / wal.name).write_bytes(log[:cut])
        again.add(all_is_there(folder, tmp_path))
        shutil.rmtree(folder)
    assert again == {n * (EVENTS + 1) for n in range(BATCHES + 1)}, "a batch is whole in the catalog, or not there"


async def test_a_torn_last_page_of_the_catalog(tmp_path: Path) -> None:
    whole, wal = await written(tmp_path)
    log, chance = wal.read_bytes(), random.Random(4)
    for number in range(10):
        torn = bytearray(log)
        start = chance.randrange(len(log) - 2 * FRAME, len(log))
        torn[start:] = chance.randbytes(len(log) - start)
        folder = tmp_path / f"torn-{number}"
        shutil.copytree(whole, folder)
        (folder / wal.name).write_bytes(torn)
        assert all_is_there(folder, tmp_path) in (0, EVENTS + 1)
