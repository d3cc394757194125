"""A gateway's journal in a process of its own that is killed at any moment: `python -m tests.system.journal_writer`.

Forks one life after another, kills each, and prints one JSON line per life: every offset that was given with what it
was given to and when, which messages were said to be on disk, and when the kill came.
"""

import asyncio
import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

from datastore.journal import Journal
from datastore.settings import JournalSettings
from gateway.runtime.clock import SystemClock
from tests.support.records import event, message, source

COMMIT = "20ms"


async def live(folder: Path, life: int, out: int) -> None:
    """Appends until killed; tells each offset only after it was given, as a cloud would have seen it."""
    journal = Journal(folder, JournalSettings(commit=COMMIT, max_bytes="1GB", max_age="36500d"), SystemClock())
    await journal.open()
    run = asyncio.create_task(journal.run())
    of = [journal.number(source(f"d{n}", [f"R{k}" for k in range(20)])) for n in range(5)]
    count = 0
    try:
        while True:
            batch = [event(one, count, [random.getrandbits(16) for _ in one.names]) for one in of]
            journal.append(batch)
            os.write(out, _lines([["e", e.offset, sum(e.values), time.monotonic()] for e in batch]))
            count += 1
            if count % 4 == 0:
                said = message(life * 100_000 + count)
                journal.append([said])
                os.write(out, _lines([["m", said.offset, said.body["id"], time.monotonic()]]))
                await journal.commit()
                os.write(out, _lines([["on disk", said.offset]]))
            if count % 3 == 0:
                journal.ack("cloud", 1, journal.head - 5)
            await asyncio.sleep(0.001)
    finally:
        run.cancel()


def _lines(rows: list[list[object]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def life(folder: Path, number: int, seconds: float) -> dict[str, object]:
    """Forks, lets it live so long, kills it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        random.seed(number)
        try:
            asyncio.run(live(folder, number, writing))
        finally:
            os._exit(1)
    os.close(writing)
    end, parts = time.monotonic() + seconds, []
    while (left := end - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            part = os.read(reading, 1 << 16)
            if not part:
                break
            parts.append(part)
    killed = time.monotonic()
    os.kill(child, signal.SIGKILL)
    while part := os.read(reading, 1 << 16):
        parts.append(part)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    whole = b"".join(parts).rpartition(b"\n")[0]
    rows = [json.loads(line) for line in whole.splitlines()]
    return {"rows": rows, "killed": killed, "by_us": os.WIFSIGNALED(status)}


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    for number in range(kills):
        seconds = chance.uniform(0.01, 0.2) if number % 10 else 0.7
        print(json.dumps(life(folder, number, seconds)), flush=True)


if __name__ == "__main__":
    main()
