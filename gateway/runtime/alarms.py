"""Alarms the gateway itself raises, about its disk, its clock and its writes, in the shape of the cloud contract."""

import asyncio
import logging
from collections.abc import Iterator
from typing import NamedTuple

from gateway.model.contracts import Clock, Publish, State
from gateway.model.errors import StoreFailed
from gateway.model.reading import Message

TABLE = "alarms"
"""Name, device and resource of what is raised → its id."""

log = logging.getLogger(__name__)


class Subject(NamedTuple):
    """What an alarm is about; the gateway itself, unless it says more."""

    device: str = ""
    resource: str = ""


GATEWAY = Subject()

_Key = tuple[str, Subject]


class Alarms:
    """What is raised, told again and cleared is one alarm with one id, also when a restart lies between."""

    def __init__(self, publish: Publish, clock: Clock, state: State | None = None) -> None:
        """`state`, already open, remembers what is raised; without it nothing outlives the process."""
        self._publish, self._clock, self._state = publish, clock, state
        stored = state.all(TABLE) if state is not None else {}
        self._raised: dict[_Key, str] = {_key(text): str(identity) for text, identity in stored.items()}
        self._left = {key for key in self._raised if key[1] == GATEWAY}
        """Of the gateway itself, from before the restart."""
        self._unwritten: set[_Key] = set()
        self._writing: asyncio.Task[None] | None = None

    def is_raised(self, name: str, about: Subject = GATEWAY) -> bool:
        return (name, about) in self._raised

    def raised(self, name: str) -> Iterator[Subject]:
        """What an alarm of this name is raised about."""
        return iter([about for raised, about in self._raised if raised == name])

    def start(self) -> None:
        """Everything is open. What was wrong with the gateway itself before the restart and was not found again is
        over: whoever raised it knows nothing of it any more."""
        for name, about in sorted(self._left):
            self.tell(name, "cleared", "the gateway was started anew", about=about)

    def tell(self, name: str, state: str, why: str, value: float | None = None, about: Subject = GATEWAY) -> None:
        """`state`: `raised` or `cleared`. In the journal, and so on its way, when it returns."""
        whose = f" of {about.resource} of {about.device}" if about.device else ""
        (log.warning if state == "raised" else log.info)("alarm %s%s %s: %s", name, whose, state, why)
        now = self._clock.now()
        identity = self._raised.setdefault((name, about), f"{name}-{now}")
        if state != "raised":
            del self._raised[name, about]
        self._left.discard((name, about))
        self._remember((name, about))
        body = {
            "id": identity,
            "name": name,
            "state": state,
            "severity": "warning",
            "ts": now,
            "resource": about.resource,
            "value": value,
            "why": why,
        }
        self._publish([Message("alarm", about.device, name, now, body)])

    async def close(self) -> None:
        """Waits for what is being written."""
        if self._writing is not None:
            await self._writing

    def _remember(self, key: _Key) -> None:
        if self._state is None:
            return
        self._unwritten.add(key)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(self._state), name="alarms")

    async def _write(self, state: State) -> None:
        """Until all is written; what the disk refuses is tried again with the next alarm, at the latest the one that
        says that the disk is well."""
        while keys := self._unwritten:
            self._unwritten = set()
            raised = {_text(key): self._raised[key] for key in keys if key in self._raised}
            cleared = {_text(key) for key in keys} - raised.keys()
            try:
                if raised:
                    await state.put(TABLE, raised)
                if cleared:
                    await state.remove(TABLE, cleared)
            except StoreFailed:
                self._unwritten |= keys
                break
        self._writing = None


def _text(key: _Key) -> str:
    return "\n".join((key[0], *key[1]))


def _key(text: str) -> _Key:
    name, device, resource = text.split("\n")  # no name has control characters
    return name, Subject(device, resource)
