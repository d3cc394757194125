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
from io import FileIO
from pathlib import Path
from typing import Any

from datastore.history import pipe
from datastore.history.keeper import TROUBLE, Keeper, is_beyond, words
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
        _lock(lock.fileno(), folder)
        keeper = Keeper(folder, Path(orders["journal"]), HistorySettings.model_validate(orders["settings"]))
    except TROUBLE as error:
        with suppress(BrokenPipeError):
            out.write(pipe.pack({"error": words(error)}))
        return 1
    with lock:
        with suppress(BrokenPipeError):  # the gateway was killed while it waited for an answer
            _serve(keeper, out)
        keeper.close()
    return 0


def _serve(keeper: Keeper, out: FileIO) -> None:
    out.write(pipe.pack({"moved_aside": keeper.moved_aside, "cursor": keeper.catalog.cursor}))
    well = True
    while well and (request := pipe.read(sys.stdin.buffer)) is not None:
        answer, well = _answered(keeper, request)
        out.write(pipe.pack(answer | {"number": request["number"]}))


def _answered(keeper: Keeper, request: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The answer, and whether more can be asked: a damaged catalog is moved aside by the next start."""
    started = time.monotonic()
    try:
        return keeper.answer(request) | {"seconds": time.monotonic() - started}, True
    except TROUBLE as error:
        return {"error": words(error)}, not is_beyond(error)


def _lock(handle: int, folder: Path) -> None:
    """Raises OSError."""
    for _ in range(LOCK_S * 10):
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
    raise OSError(f"another gateway's keeper is at work in {folder}; each gateway needs a data folder of its own")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(main(json.loads(sys.argv[1])))
