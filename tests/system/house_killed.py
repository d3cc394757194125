"""A gateway that is killed at any moment: `python -m tests.system.house_killed CONFIG KILLS SEED`.

It is the real one (`gateway.app.build`: journal, history with its keeper's process, rules, exporters, REST), but for
devices: what they would tell is published here. Each life is forked, since imports take longer than most lives; it ends
by kill -9, with its keeper's process or without, as a service manager or the system's memory killer would. The last
life is let through to its end. Prints one JSON line per life: what was said to be on the disk, offset → id.
"""

import asyncio
import contextlib
import gc
import importlib
import itertools
import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from gateway.app import House
from gateway.model.export.fields import identity
from gateway.model.reading import Event
from tests.support.dataservice import behind, running, sources

START_S = 20.0
BATCH_S = 3.0
PATIENCE_S = 60.0
"""For all that waits, in the last life."""
POISON = 13.0
"""As `R0`: a receiver may refuse it."""


async def live(config: Path, out: int) -> None:
    """Publishes until it is killed. Tells what is on the disk once the journal has said so."""
    async with running(config) as house:
        os.write(out, _line({"began": True}))
        of, journal = sources(house), house.memory.journal
        open_: list[Event] = []
        for count in itertools.count():
            first = POISON if count % 50 == 7 else 100.0 if count // 30 % 2 else 1.0
            batch = [Event(one, time.time_ns(), [first, *(random.random() for _ in one.names[1:])]) for one in of]
            house.memory.bus.publish(batch)
            open_ += batch
            if count % 4 == 3:
                await journal.commit()
                os.write(out, _line({"on disk": [(one.offset, identity(one)) for one in open_]}))
                open_.clear()
            await asyncio.sleep(0.003)


async def first(config: Path, out: int) -> None:
    """Tells what a start imports."""
    async with running(config):
        os.write(out, _line(sorted(sys.modules)))


async def last(config: Path, consumers: list[str]) -> None:
    """Until everybody has everything."""
    async with running(config) as house, asyncio.timeout(PATIENCE_S):
        while any(behind(house, name) for name in consumers) or not _rests(house):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _rests(house: House) -> bool:
    told = house.memory.history
    return told is not None and told.report().state == "ok" and house.memory.journal.report().head > 0


def life(config: Path, number: int, chance: random.Random) -> dict[str, Any]:
    """Forks, kills: a quarter while it starts, a quarter while the history takes a batch, the others at any moment."""
    reading, writing = os.pipe()
    child = _forked(reading, writing, live(config, writing), number)
    parts = [] if number % 4 == 3 else _heard(reading, START_S, 1)
    if number % 4 == 1:
        parts += _until_a_batch(reading, config.parent / "data/history/files")
        parts += _heard(reading, chance.uniform(0.0, 0.03))
    else:
        parts += _heard(reading, chance.uniform(0.0, 0.3))
    keepers = Path(f"/proc/{child}/task/{child}/children").read_text().split()
    doomed = [child, *(int(pid) for pid in keepers)]
    chance.shuffle(doomed)
    for pid in doomed if chance.random() < 0.5 else [child]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while part := os.read(reading, 1 << 16):
        parts.append(part)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    rows = [json.loads(line) for line in b"".join(parts).rpartition(b"\n")[0].splitlines()]
    kept = [pair for row in rows for pair in row.get("on disk", [])]
    return {"by_us": os.WIFSIGNALED(status), "began": bool(rows), "keepers": len(keepers), "on disk": kept}


def _heard(reading: int, seconds: float, most: int = sys.maxsize) -> list[bytes]:
    """What it says in this time; at most so many pieces."""
    end, parts = time.monotonic() + seconds, list[bytes]()
    while (left := end - time.monotonic()) > 0 and len(parts) < most:
        if not select.select([reading], [], [], left)[0] or not (part := os.read(reading, 1 << 16)):
            break
        parts.append(part)
    return parts


def _until_a_batch(reading: int, files: Path) -> list[bytes]:
    """Until the keeper writes a file; what it says meanwhile."""
    before, end = files.stat().st_mtime_ns if files.exists() else 0, time.monotonic() + BATCH_S
    parts = list[bytes]()
    while time.monotonic() < end and (not files.exists() or files.stat().st_mtime_ns == before):
        parts += _heard(reading, 0.002)
    return parts


def _forked(reading: int, writing: int, work: Coroutine[Any, Any, None], number: int) -> int:
    """Leaves only `reading` open here."""
    child = os.fork()
    if child == 0:
        os.close(reading)
        random.seed(number)
        try:
            asyncio.run(work)
            os._exit(0)
        finally:
            os._exit(1)
    work.close()
    os.close(writing)
    return child


def _import_once(config: Path) -> None:
    """What a start imports is here for all lives."""
    reading, writing = os.pipe()
    child = _forked(reading, writing, first(config, writing), 0)
    with os.fdopen(reading) as told:
        modules = json.loads(told.read())
    os.waitpid(child, 0)
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _line(row: object) -> bytes:
    return json.dumps(row).encode() + b"\n"


def main() -> None:
    config, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    _import_once(config)
    gc.freeze()
    for number in range(kills):
        print(json.dumps(life(config, number, chance)), flush=True)
    asyncio.run(last(config, sys.argv[4:]))


if __name__ == "__main__":
    main()
