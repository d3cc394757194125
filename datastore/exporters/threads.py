"""Threads of one exporter, for libraries that block: live values and what waited go side by side, and a library that
hangs holds up neither the loop nor the end of the program."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from gateway.model.errors import NotConnected

P = ParamSpec("P")
T = TypeVar("T")
_Job = tuple[Callable[[], None], "asyncio.Future[Any]"]
SIDE_BY_SIDE = 2
"""Live values, and what waited."""


class Threads:
    """Begun at the first call, ended by `close`. Threads are daemons: one that hangs in its library is left behind."""

    def __init__(self, name: str, count: int = SIDE_BY_SIDE) -> None:
        self._name = name
        self._count = count
        self._jobs: queue.SimpleQueue[_Job | None] | None = None

    async def call(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the job returns or raises. Whoever is cancelled leaves it running; nobody hears of its end."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                found = job(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  whoever called is told
                _tell(loop, _fail, done, error)
            else:
                _tell(loop, _finish, done, found)

        self._started().put((run, done))
        return await done

    def _started(self) -> "queue.SimpleQueue[_Job | None]":
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            for _ in range(self._count):
                threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()
        return self._jobs

    def close(self) -> None:
        """The threads end after what they are at; the next call begins new ones. What was not begun is not done, and
        whoever waits for it is told. On the loop's thread."""
        jobs, self._jobs = self._jobs, None
        if jobs is not None:
            with contextlib.suppress(queue.Empty):
                while (waiting := jobs.get_nowait()) is not None:
                    _fail(waiting[1], NotConnected("closed"))
            for _ in range(self._count):
                jobs.put(None)


def _work(jobs: "queue.SimpleQueue[_Job | None]") -> None:
    while (job := jobs.get()) is not None:
        job[0]()


def _tell(loop: asyncio.AbstractEventLoop, how: Callable[..., None], *what: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(how, *what)


def _finish(done: "asyncio.Future[T]", found: T) -> None:
    if not done.done():
        done.set_result(found)


def _fail(done: "asyncio.Future[Any]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error if isinstance(error, Exception) else NotConnected(repr(error)))


__all__ = ["SIDE_BY_SIDE", "Threads"]
