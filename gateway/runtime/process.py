"""A process as the outside sees it: signals, one for a data folder, what is said when it cannot run."""

import asyncio
import contextlib
import fcntl
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from gateway.model.errors import ConfigError


@asynccontextmanager
async def told_plainly() -> AsyncIterator[None]:
    """A configuration that cannot run is a ConfigError, not a group of one."""
    try:
        yield
    except ExceptionGroup as group:
        refused = group.subgroup(ConfigError)
        if refused is None:
            raise
        raise refused.exceptions[0] from None


async def cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Two gateways on one data folder would spoil it. Raises ConfigError."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("w")
    except OSError as error:
        raise ConfigError(f"gateway.data: {data} cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"gateway.data: another gateway is running on {data}") from None
        yield


@contextmanager
def signals(stop: asyncio.Event, reload: Callable[[], None], ends: bool) -> Iterator[None]:
    """`ends`: the process ends afterwards, and who asks twice must not cut short what is still being written."""
    loop = asyncio.get_running_loop()
    actions: dict[int, Callable[[], None]] = {
        signal.SIGTERM: stop.set,
        signal.SIGINT: stop.set,
        signal.SIGHUP: reload,
    }
    before = {}
    # The loop's own handlers cannot be taken away without a moment in which the signal kills.
    with contextlib.suppress(ValueError):  # not on the main thread: whoever embeds us stops by cancelling
        for number in actions:
            before[number] = signal.signal(number, lambda n, _: loop.call_soon_threadsafe(actions[n]))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ends else handler)
