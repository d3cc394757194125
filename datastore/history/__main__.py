"""`python -m datastore.history ORDERS`: the keeper's process. It ends when its standard input does: with the gateway,
however that ended."""

import fcntl
import json
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from datastore.history import pipe
from datastore.history.keeper import TROUBLE, Keeper
from datastore.history.settings import HistorySettings

log = logging.getLogger("datastore.history")
POLITE = 5
"""Niceness: values and commands come first."""
LOCK_S = 30
"""How long the keeper of a gateway that was killed may take to end."""


def main(orders: dict[str, Any]) -> int:
    """Answers until there are no more requests."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # whoever stops the gateway stops us by its end
    os.nice(POLITE)
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # nothing but answers goes there
    folder = Path(orders["history"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        if not _locked(lock.fileno()):
            log.error("history: another keeper is at work in %s", folder)
            return 1
        try:
            keeper = Keeper(folder, Path(orders["journal"]), HistorySettings.model_validate(orders["settings"]))
        except TROUBLE as error:
            out.write(pipe.pack({"error": f"{error}"}))
            return 1
        with suppress(BrokenPipeError):  # the gateway was killed while it waited for an answer
            out.write(pipe.pack({"moved_aside": keeper.moved_aside, "cursor": keeper.catalog.cursor}))
            while (request := pipe.read(sys.stdin.buffer)) is not None:
                out.write(pipe.pack(_answered(keeper, request) | {"number": request["number"]}))
        keeper.close()
    return 0


def _answered(keeper: Keeper, request: dict[str, Any]) -> dict[str, Any]:
    started = time.monotonic()
    try:
        return keeper.answer(request) | {"seconds": time.monotonic() - started}
    except TROUBLE as error:
        return {"error": " ".join(str(error).split()) or type(error).__name__}


def _locked(handle: int) -> bool:
    for _ in range(LOCK_S * 10):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(main(json.loads(sys.argv[1])))
