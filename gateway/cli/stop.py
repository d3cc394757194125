"""Ends what runs in order: on Ctrl-C, SIGTERM, when the terminal is closed, or after a time."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine


async def until_stopped(work: Coroutine[None, None, int], seconds: float | None = None) -> int:
    """Runs `work` until it ends by itself (its result counts), or is stopped (0)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(work)
    ended = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({running, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if running in done:
        return running.result()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return 0
