"""What waits for one connection, and who goes next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.model.contracts import Mapper
from gateway.model.errors import NoAnswer, NotConnected
from gateway.runtime.lanes.polling import Polling
from gateway.runtime.lanes.unit import Unit

IN_A_ROW = 4
"""Commands after which one due poll goes."""

T = TypeVar("T")
Act = Callable[[Mapper[Any]], Awaitable[T]]
Work = Act[None]
"""One turn of the line."""


@dataclass(slots=True, eq=False)
class Job:
    """A command on its way: waits in the line, then runs with the connection."""

    device: str
    act: Act[Any]
    done: "asyncio.Future[Any]"

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Line:
    """Commands and due polls."""

    def __init__(self) -> None:
        self.commands: deque[Job] = deque()
        self.polls: deque[Polling] = deque()
        self._row = 0

    def command(self, others: bool) -> Job | None:
        """The next command, unless so many went in a row that it is somebody else's turn. `others`: there is work that
        is neither command nor poll."""
        if self.commands and (self._row < IN_A_ROW or not (self.polls or others)):
            self._row += 1
            return self.commands.popleft()
        self._row = 0
        return None

    def poll(self) -> Polling | None:
        return self.polls.popleft() if self.polls else None

    def remove(self) -> None:
        """Polls that are no more leave."""
        self.polls = deque(polling for polling in self.polls if polling.active)

    def leave(self, unit: Unit, devices: Callable[[str], Unit], error: NoAnswer) -> None:
        """Polls and commands of a unit that is silent. Polls never answered wait behind all others: they may be the
        next."""
        for job in [job for job in self.commands if devices(job.device) is unit]:
            self.commands.remove(job)
            job.fail(error)
        for polling in unit.polls:
            polling.pending = False
        waiting = [polling for polling in self.polls if polling.pending]
        self.polls = deque(sorted(waiting, key=lambda polling: polling.answer_s is None))

    def drop(self, error: NotConnected) -> None:
        """Nothing waits any more."""
        for polling in self.polls:
            polling.pending = False
        self.polls.clear()
        for job in self.commands:
            job.fail(error)
        self.commands.clear()
