"""A history whose folder its process may not write, and then may: `python -m tests.system.history_trouble FOLDER`.
Prints what happened as JSON."""

import asyncio
import json
import sys
from pathlib import Path

from datastore.history.history import CONSUMER
from gateway.runtime.clock import SystemClock
from tests.support.journals import Alarms, eventually, journal
from tests.system.test_history import now_events, running


async def main(data: Path) -> None:
    alarms = Alarms()
    history_folder = data / "history"
    history_folder.mkdir(parents=True)
    history_folder.chmod(0o500)
    async with (
        journal(data / "journal", SystemClock(), alarms, running=True) as store,
        running(data, store, alarms) as history,
    ):
        now_events(store, 100)
        await eventually(lambda: history.report().state != "ok", seconds=30)
        told = {"failing": history.report().state, "meanwhile": store.pending(CONSUMER)}
        history_folder.chmod(0o700)
        await eventually(lambda: store.pending(CONSUMER) == [], seconds=30)
        await eventually(lambda: history.report().state == "ok", seconds=30)
    print(json.dumps({**told, "alarms": [alarm[:2] for alarm in alarms]}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
