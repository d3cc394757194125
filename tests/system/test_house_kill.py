"""T1, of the whole data service: kill -9 at random points under load, with history, rules and exporters at work."""

import asyncio
import itertools
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from datastore.deadletters import SqliteLetters
from gateway.model.export.fields import identity, reading_fields
from gateway.model.reading import Event, Record
from tests.support.clock import MovingClock
from tests.support.dataservice import written
from tests.support.fakehttp import Asked, FakeHttp, Says, fake_http
from tests.support.history import rows
from tests.support.journals import journal
from tests.system.house_killed import POISON
from tests.system.test_journal_kill import integrity

NAMES = ("export-near", "export-files", "history")
RULES: list[dict[str, Any]] = [
    {"name": "high", "kind": "threshold", "of": "d0/R0", "above": 50, "into": "calc/high"},
    {"name": "sum", "kind": "formula", "of": {"a": "d1/R1", "b": "d1/R2"}, "value": "a + b", "into": "calc/sum"},
    {"name": "mean", "kind": "rolling", "of": "d2/R3", "over": "10s", "into": "calc/mean"},
]


def config(folder: Path, url: str) -> Path:
    everything = {"messages": ["alarm"]}
    return written(
        folder,
        devices=4,
        resources=5,
        journal={"commit": "50ms", "max_bytes": "64MB"},
        history={"flush": "1s"},
        rules=RULES,
        exporters={
            "near": {"kind": "http", "url": url, "linger": "0s", "only": everything, "tries": 1},
            "files": {
                "kind": "files", "folder": "out", "format": "jsonl", "linger": "50ms", "max_bytes": "1MB",
                "columns": {"id": "id", "origin": "origin", "value": "value", "body": "body"}, "only": everything,
            },
        },
    )  # fmt: skip


async def killed(folder: Path, fake: FakeHttp, kills: int, seed: int) -> list[dict[str, Any]]:
    """What each life said before it was killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.system.house_killed", str(config(folder, fake.url)), str(kills), str(seed), *NAMES,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    assert b"Traceback" not in err, err.decode()[-3000:]
    return [json.loads(line) for line in out.splitlines()]


async def kept(folder: Path) -> list[Record]:
    """All that the journal has in the end; nothing was dropped, moved aside or is still to be sent."""
    found: list[Record] = []
    async with journal(folder, MovingClock(), max_bytes="64MB", max_age="36500d") as store:
        assert store.report().moved_aside == ""
        assert store.report().state == "ok"
        while records := await store.read(found[-1].offset if found else 0, 1000):
            found += records
    assert set(integrity(folder)) == {"ok"}
    return found


async def killed_over_and_over(folder: Path, kills: int, seed: int) -> None:
    async with fake_http() as fake:
        far = FarEnd()
        fake.says = far.answer
        told = await killed(folder, fake, kills, seed)
    assert not far.clashes, far.clashes[:3]
    records = await kept(folder / "data" / "journal")
    by_offset = {record.offset: identity(record) for record in records}
    assert len(by_offset) == len(records)
    assert len(set(by_offset.values())) == len(records), "two records have one id"
    for one in told:
        assert one["by_us"], "it ended by itself"
        for offset, id_ in one["on disk"]:
            assert by_offset.get(offset) == id_, f"{offset} was on the disk"
    assert sum(bool(one["on disk"]) for one in told) > kills / 4, "most lives were too short to write anything"
    assert sum(one["keepers"] for one in told) > kills / 4, "the history's keeper was hardly ever there"
    _received(far.came, records, await _set_aside(folder / "data" / "deadletters.db"))
    _in_files(folder / "out", records)
    _in_history(folder / "data" / "history", records)
    assert {one.name for one in records if not isinstance(one, Event)} >= {"high"}
    assert "calc" in {one.source.device for one in records if isinstance(one, Event)}


class FarEnd:
    """Takes what comes, but for poison; now and then it hangs up when it has taken something. Whoever drops what has an
    id he has seen has every record once, and no id ever comes with another content."""

    def __init__(self) -> None:
        self.came: dict[str, Any] = {}
        self.clashes: list[Any] = []
        """What came with an id that something else had."""
        self._turns = itertools.count(1)

    def answer(self, asked: Asked) -> Says:
        if any(one["values"]["R0"] == POISON for one in asked.json if one.get("source") == "all"):
            return Says(422, b"poison")
        for one in asked.json:
            same = {key: one.get(key) for key in ("device", "origin", "values", "body")}
            if self.came.setdefault(one["id"], same) != same:
                self.clashes.append(one)
        return Says(cut=next(self._turns) % 97 == 0)


def _received(came: dict[str, Any], records: list[Record], aside: set[str]) -> None:
    poison = {identity(one) for one in records if isinstance(one, Event) and one.values[0] == POISON}
    assert poison
    assert poison <= aside, "poison is neither sent nor set aside"
    assert not aside & came.keys()
    somewhere = came.keys() | poison
    missing = [one.offset for one in records if identity(one) not in somewhere]
    assert not missing, f"{len(missing)} of {len(records)} never came, such as {missing[:5]}"
    for record in records:
        if isinstance(record, Event) and identity(record) in came:
            assert came[identity(record)]["values"] == dict(zip(record.names(), record.values, strict=True))


async def _set_aside(path: Path) -> set[str]:
    letters = SqliteLetters(path, MovingClock())
    await letters.open()
    found, total = await letters.find("export-near", limit=100_000)
    await letters.close()
    assert len(found) == total
    return {identity(letter.record) for letter in found}


def _in_files(folder: Path, records: list[Record]) -> None:
    """Every line is whole; each value is in some file."""
    assert len(list(folder.glob("*.jsonl"))) > 0, "no file was ever finished"
    came: dict[str, Any] = {}
    for path in folder.iterdir():
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            assert came.setdefault(row["id"], row) == row
    for record in records:
        if isinstance(record, Event):
            for reading in reading_fields(record, "plant-7"):
                assert came[reading["id"]]["value"] == reading["value"]
        else:
            assert identity(record) in came


def _in_history(folder: Path, records: list[Record]) -> None:
    """Every reading and every message exactly once."""
    wanted = Counter(
        (one.offset, one.origin, float(value)) for one in records if isinstance(one, Event) for value in one.values
    )
    assert Counter((row[3], row[1], row[4]) for row in rows(folder)) == wanted
    said = sorted(one.offset for one in records if not isinstance(one, Event))
    assert sorted(row[0] for row in rows(folder, "messages")) == said
    assert not list(folder.parent.glob("history.corrupt*"))


@pytest.mark.timeout(180)
async def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """T1. Forty kills of all there is; SOUTHGATE_KILLS in the environment says otherwise."""
    await killed_over_and_over(tmp_path, int(os.environ.get("SOUTHGATE_KILLS", "40")), 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_doubled_however_often(tmp_path: Path) -> None:
    """T1, 200 times."""
    await killed_over_and_over(tmp_path, 200, 2)
