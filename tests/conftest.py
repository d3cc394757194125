"""Every test: the moving clock at hand, and nothing left behind."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.clock import MovingClock


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


def _sockets() -> set[str]:
    found = set()
    for fd in Path("/proc/self/fd").iterdir():
        try:
            target = str(fd.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@pytest.fixture(autouse=True)
def _leaves_no_thread_or_socket() -> Iterator[None]:
    threads, sockets = set(threading.enumerate()), _sockets()
    yield
    left_threads = [t for t in threading.enumerate() if t not in threads and t.is_alive() and not _is_pool(t)]
    if left_threads:
        for thread in left_threads:
            thread.join(1.0)
        left_threads = [t for t in left_threads if t.is_alive()]
    assert not left_threads, f"this test left threads behind: {left_threads}"
    if _sockets() - sockets:
        gc.collect()
    left = _sockets() - sockets
    assert not left, f"this test left sockets behind: {left}"


def _is_pool(thread: threading.Thread) -> bool:
    """asyncio's default executor keeps idle threads; they end with the loop."""
    return thread.name.startswith("asyncio_")


@pytest_asyncio.fixture(autouse=True)
async def _leaves_no_task() -> AsyncIterator[None]:
    yield
    for _ in range(3):
        await asyncio.sleep(0)
    left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task() and not t.done()]
    for task in left:
        task.cancel()
    assert not left, f"this test left tasks behind: {left}"
