"""A journal that is written all the time, and a keeper of its history that is killed at any moment:
`python -m tests.system.history_keeper FOLDER KILLS SEED`.

Forks one life of the keeper after another and kills each with -9; another process appends. Minutes pass in
milliseconds, so that hours and days are merged all the time. In the end one keeper takes what is left and merges it.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from datastore.history.keeper import Keeper
from datastore.history.settings import HistorySettings
from datastore.history.spans import DAY, HOUR, MINUTE
from datastore.journal import Journal
from datastore.settings import JournalSettings
from gateway.runtime.clock import SystemClock
from tests.support.history import take, tend
from tests.support.records import ORIGIN, event, message, source

START = ORIGIN // DAY * DAY
SETTINGS: dict[str, Any] = {"raw": "3650d", "minute": "3650d", "hour": "3650d", "messages": "3650d"}
STEP = 30 * 10**9
"""Between two batches, ns; one comes every few ms."""


async def write(folder: Path, stop: Path) -> None:
    """Appends until the file `stop` is there; small segments, so that they are sealed meanwhile."""
    settings = JournalSettings(commit="10ms", max_bytes="100MB", max_age="36500d")
    journal = Journal(folder, settings, SystemClock())
    await journal.open()
    run = asyncio.create_task(journal.run())
    of = [journal.number(source(f"d{n}", [f"R{k}" for k in range(5)])) for n in range(4)]
    count = 0
    while not stop.exists():  # noqa: ASYNC240  a test's own process
        batch = [event(one, count, [random.getrandbits(16) for _ in one.names]) for one in of]
        for at, one in enumerate(batch):
            one.origin = START + count * STEP + at
            if count % 50 == 7:  # it comes hours late
                one.origin -= 5 * HOUR
        journal.append(batch)
        if count % 20 == 0:
            journal.append([message(count)])
        count += 1
        await asyncio.sleep(0.002)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await journal.close()


def keep(history: Path, journal: Path, seconds: float) -> None:
    """Takes and merges, the clock being as far as what came last."""
    keeper = Keeper(history, journal, HistorySettings(**SETTINGS))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        keeper.answer({"do": "take", "now": now_of(keeper)})
        keeper.answer({"do": "tend", "now": now_of(keeper), "trusted": True})


def now_of(keeper: Keeper) -> int:
    return max((file.newest for file in keeper.catalog.files("raw")), default=START)


def forked(work: Any, *arguments: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            work(*arguments)
            os._exit(0)
        finally:
            os._exit(1)
    return child


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    stop = folder / "stop"
    writer = forked(lambda: asyncio.run(write(folder / "journal", stop)))
    while not list((folder / "journal").glob("journal-*.db")):
        time.sleep(0.01)
    killed = 0
    while killed < kills:
        child = forked(keep, folder / "history", folder / "journal", 10.0)
        time.sleep(chance.uniform(0.01, 0.25))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"a keeper ended by itself: {status}")
        killed += 1
    stop.touch()
    _, status = os.waitpid(writer, 0)
    if status:
        sys.exit(f"the writer ended with {status}")
    keeper = Keeper(folder / "history", folder / "journal", HistorySettings(**SETTINGS))
    take(keeper, now_of(keeper))
    later = now_of(keeper) + DAY + 30 * MINUTE
    while tend(keeper, later) > 2:
        pass
    keeper.close()


if __name__ == "__main__":
    main()
