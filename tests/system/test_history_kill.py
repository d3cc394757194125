"""T1, of the history: kill -9 of its keeper at random points under load."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from datastore.history.spans import DAILY
from gateway.model.reading import Event
from tests.support.clock import MovingClock
from tests.support.history import levels, rows
from tests.support.journals import journal


async def everything_once(folder: Path, kills: int, seed: int) -> None:
    command = [sys.executable, "-m", "tests.system.history_keeper", str(folder), str(kills), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: ASYNC221  nothing else runs
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    given: Counter[tuple[int, int, float]] = Counter()
    said = []
    async with journal(folder / "journal", MovingClock(), max_bytes="100MB", max_age="36500d") as store:
        after = 0
        while records := await store.read(after, 1000):
            after = records[-1].offset
            for record in records:
                if isinstance(record, Event):
                    given.update((record.offset, record.origin, float(value)) for value in record.values)
                else:
                    said.append(record.offset)
    found = rows(folder / "history")
    assert len({(row[0], row[3]) for row in found}) == len(found)  # a series has one row an event
    assert Counter((row[3], row[1], row[4]) for row in found) == given
    assert sorted(row[0] for row in rows(folder / "history", "messages")) == said
    assert set(levels(folder / "history")) == {DAILY}
    for tier in ("minute", "hour"):
        summed = rows(folder / "history", tier)
        assert len({row[:2] for row in summed}) == len(summed)
        assert sum(row[7] for row in summed) == len(found)


async def test_no_reading_is_lost_or_twice(tmp_path: Path) -> None:
    """T1. Every offset's readings are there exactly once, in raw and in what is summed up."""
    await everything_once(tmp_path, 60, 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_reading_is_lost_or_twice_however_often(tmp_path: Path) -> None:
    """T1, 200 times."""
    await everything_once(tmp_path, 200, 2)
