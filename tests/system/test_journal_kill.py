"""T1: kill -9 at random points while writing."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from datastore.settings import JournalSettings
from gateway.model.reading import Event, Message
from tests.support.clock import MovingClock
from tests.support.journals import journal
from tests.system.journal_writer import COMMIT

COMMIT_S = JournalSettings(commit=COMMIT).commit_s
SLACK_S = 0.15
"""What a loaded machine may add to the interval before the disk has it; every tenth life is several times as long."""
STALLED = 0.02
"""Share of lives in which the machine itself may stand still (an fsync that takes half a second)."""


def lives(folder: Path, kills: int, seed: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.system.journal_writer", str(folder), str(kills), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


async def kept(folder: Path, clock: MovingClock) -> dict[int, object]:
    """What a fresh start finds: offset → what identifies the content."""
    found: dict[int, object] = {}
    async with journal(folder, clock, max_bytes="1GB", max_age="36500d") as store:
        assert store.report().moved_aside == ""
        assert store.report().state == "ok"
        after = 0
        while records := await store.read(after, 1000):
            for record in records:
                assert record.offset > after
                after = record.offset
                assert isinstance(record, Event | Message)
                found[after] = sum(record.values) if isinstance(record, Event) else record.body["id"]
        pending = store.pending("cloud")
        assert pending[-1][1] <= store.head
    return found


async def killed_over_and_over(folder: Path, clock: MovingClock, kills: int, seed: int) -> None:
    told = lives(folder, kills, seed)
    found = await kept(folder, clock)
    given: dict[int, object] = {}
    wrote = lost = 0
    stalled = set()
    for one in told:
        assert one["by_us"], "it ended by itself"
        for kind, offset, *rest in one["rows"]:
            if kind == "on disk":
                assert offset in found, f"message {offset} was said to be on disk"
                continue
            content, at = rest
            wrote += 1
            assert offset not in given, f"offset {offset} was given twice"
            given[offset] = content
            if offset in found:
                assert found[offset] == content
            else:
                lost += 1
                if one["killed"] - at > COMMIT_S + SLACK_S:
                    stalled.add(one["killed"])
    assert len(stalled) <= STALLED * kills, f"{len(stalled)} of {kills} lives lost more than the commit interval"
    assert len([one for one in told if one["rows"]]) > kills / 3, "most lives were too short to write anything"
    assert wrote > kills * 20
    assert 0 < lost < wrote / 2, "the kills missed the open interval, or took more than it"
    assert set(integrity(folder)) == {"ok"}


def integrity(folder: Path) -> list[str]:
    found = []
    for path in folder.glob("journal-*.db"):
        with contextlib.closing(sqlite3.connect(path)) as db:
            found += [row[0] for row in db.execute("PRAGMA integrity_check")]
    return found


@pytest.mark.timeout(120)
async def test_a_hundred_kills(tmp_path: Path, clock: MovingClock) -> None:
    await killed_over_and_over(tmp_path / "data", clock, 100, 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_thousand_kills(tmp_path: Path, clock: MovingClock) -> None:
    await killed_over_and_over(tmp_path / "data", clock, 1000, 2)
