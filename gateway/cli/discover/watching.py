"""Work that somebody watches and may stop: a progress line, Ctrl-C, and what options say of how long and how many."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.model.contracts import Clock
from gateway.model.duration import parse_duration

INTERRUPTED = 130
EVERY_S = 0.2
"""Between two looks of the progress line."""


async def run_watched(work: Coroutine[Any, Any, None], progress: Callable[[], str], clock: Clock) -> bool:
    """Whether somebody stopped it: Ctrl-C or a signal ends it at once, and nothing that was found is lost. Raises what
    the work raises."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(work)
    ended = asyncio.create_task(stop.wait())
    shown = asyncio.create_task(_show(progress, clock))
    await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
    interrupted = not running.done()
    for task in (running, ended, shown):
        task.cancel()
    results = await asyncio.gather(running, ended, shown, return_exceptions=True)
    wipe()
    if isinstance(results[0], BaseException) and not isinstance(results[0], asyncio.CancelledError):
        raise results[0]
    return interrupted


async def _show(progress: Callable[[], str], clock: Clock) -> None:
    """One line on the terminal that is written again and again; nothing where nobody watches."""
    if not sys.stderr.isatty():
        return
    while True:
        sys.stderr.write(f"\r\x1b[K{progress()}")
        sys.stderr.flush()
        await clock.sleep(EVERY_S)


def wipe() -> None:
    """Takes the progress line away."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def seconds(text: str) -> float:
    """A duration from 10 ms to a minute."""
    return within(text, 0.01, 60, "10ms to 1m")


def within(text: str, least: float, most: float, words: str) -> float:
    """A duration. Raises ArgumentTypeError."""
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not least <= found <= most:
        raise argparse.ArgumentTypeError(f"{text}: expected {words}")
    return found


def count(most: int) -> Callable[[str], int]:
    """A whole number from one on."""

    def read(text: str) -> int:
        found = int(text) if text.isascii() and text.isdigit() else 0
        if not 1 <= found <= most:
            raise argparse.ArgumentTypeError(f"{text}: expected 1 to {most}")
        return found

    return read
