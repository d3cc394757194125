"""A journal in a process that may not write its folder, or whose disk answers with I/O errors, and then is well again:
`python -m tests.system.journal_trouble FOLDER forbidden|failing`. Prints what happened as JSON."""

import asyncio
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from datastore.journal import Journal
from datastore.settings import JournalSettings
from gateway.runtime.clock import SystemClock
from tests.support.journals import Alarms, eventually
from tests.support.records import event, source


def forbid(folder: Path) -> Callable[[], None]:
    """A folder that this process may not write; returns what allows it again."""
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    return lambda: folder.chmod(0o700)


def fail_writes() -> Callable[[], None]:
    """Writing beyond a few bytes of any file is an I/O error to SQLite; returns what ends that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def main(folder: Path, trouble: str) -> None:
    alarms, told = Alarms(), {}
    heal = forbid(folder) if trouble == "forbidden" else None
    journal = Journal(folder, JournalSettings(commit="20ms"), SystemClock(), alarms)
    await journal.open()
    run = asyncio.create_task(journal.run())
    of = journal.number(source())
    if heal is None:
        journal.append([event(of, n) for n in range(20)])
        await journal.commit()
        heal = fail_writes()
    before = journal.head
    journal.append([event(of, n) for n in range(50)])
    await eventually(lambda: bool(alarms))
    told["failing"] = journal.report().state
    told["sent_meanwhile"] = len(await journal.read(before, 100))
    heal()
    await eventually(lambda: journal.report().state == "ok")
    await journal.commit()
    told["healed"] = journal.report().state
    told["appended"] = 50 if trouble == "forbidden" else 70
    told["records"] = journal.report().records
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await journal.close()
    print(json.dumps({**told, "alarms": [alarm[:2] for alarm in alarms]}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
