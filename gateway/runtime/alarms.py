"""Alarms of the gateway itself and of rules, in the shape of the cloud contract: raised, acknowledged, cleared."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, cast

from gateway.model.alarm import GATEWAY, Alarm, AlarmName, Subject
from gateway.model.contracts import Clock, Publish, State
from gateway.model.errors import StoreFailed
from gateway.model.reading import Message

__all__ = ["GATEWAY", "Alarms", "Subject"]
TABLE = "alarms"
"""Name, device and resource of what is raised → what is known of it."""
_FIELDS = frozenset(field.name for field in fields(Alarm))

log = logging.getLogger(__name__)

_Key = tuple[AlarmName, Subject]


class Alarms:
    """What is raised, told again, acknowledged and cleared is one alarm with one id, also over a restart."""

    def __init__(self, publish: Publish, clock: Clock, state: State | None = None) -> None:
        """`state`, already open, remembers what is raised; without it nothing outlives the process."""
        self._publish, self._clock, self._state = publish, clock, state
        stored = state.all(TABLE) if state is not None else {}
        self._raised: dict[_Key, Alarm] = {_key(text): _alarm(text, kept) for text, kept in stored.items()}
        self._left = {key for key in self._raised if key[1] == GATEWAY}
        """Of the gateway itself, from before the restart."""
        self._unwritten: set[_Key] = set()
        self._numbered = max((alarm.since for alarm in self._raised.values()), default=0)
        self._writing: asyncio.Task[None] | None = None

    def is_raised(self, name: AlarmName, about: Subject = GATEWAY) -> bool:
        return (name, about) in self._raised

    def raised(self, name: AlarmName) -> Iterator[Subject]:
        """What an alarm of this name is raised about."""
        return iter([about for raised, about in self._raised if raised == name])

    def all(self) -> list[Alarm]:
        """Everything that is raised, newest first."""
        return sorted(self._raised.values(), key=lambda alarm: -alarm.since)

    def start(self) -> None:
        """Everything is open. What was wrong with the gateway itself before the restart and was not found again is
        over: whoever raised it knows nothing of it any more."""
        for name, about in sorted(self._left):
            self.tell(name, "cleared", "the gateway was started anew", about=about)

    def tell(
        self,
        name: AlarmName,
        state: str,
        why: str,
        value: float | None = None,
        about: Subject = GATEWAY,
        severity: str = "warning",
    ) -> None:
        """`state`: `raised` or `cleared`. In the journal, and so on its way, when it returns."""
        key, now = (name, about), self._clock.now()
        alarm = self._raised.get(key)
        if alarm is None:
            alarm = self._raised[key] = Alarm(self._identity(name, now), name, *about, since=now)
        alarm.severity, alarm.value, alarm.why = severity, value, why
        if state != "raised":
            del self._raised[key]
        self._left.discard(key)
        self._say(key, alarm, state, now)

    def _identity(self, name: str, now: int) -> str:
        """That no other alarm has: two may be raised in one turn of a clock, or after it was set back."""
        self._numbered = max(now, self._numbered + 1)
        return f"{name}-{self._numbered}"

    def acknowledge(self, identity: str, by: str = "", comment: str = "") -> Alarm:
        """Somebody has seen what is raised; who does so again changes nothing. Raises KeyError."""
        key, alarm = next(((key, one) for key, one in self._raised.items() if one.id == identity), (None, None))
        if key is None or alarm is None:
            raise KeyError(identity)
        if not alarm.acknowledged:
            now = self._clock.now()
            alarm.acknowledged, alarm.by, alarm.comment = now, by, comment
            self._say(key, alarm, "acknowledged", now)
        return alarm

    def _say(self, key: _Key, alarm: Alarm, state: str, now: int) -> None:
        whose = f" of {alarm.resource} of {alarm.device}" if alarm.device else ""
        level = logging.WARNING if state == "raised" else logging.INFO
        why = alarm.why if state != "acknowledged" else f"by {alarm.by or 'somebody'} {alarm.comment}".rstrip()
        log.log(level, "alarm %s%s %s: %s", alarm.name, whose, state, why)
        self._remember(key)
        body = {
            "id": alarm.id,
            "name": alarm.name,
            "state": state,
            "severity": alarm.severity,
            "ts": now,
            "resource": alarm.resource,
            "value": alarm.value,
            "why": why,
        }
        self._publish([Message("alarm", alarm.device, alarm.name, now, body)])

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
            raised = {_text(key): self._raised[key].json() for key in keys if key in self._raised}
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
    return cast("AlarmName", name), Subject(device, resource)


def _alarm(text: str, kept: Any) -> Alarm:
    """As it was kept; older gateways kept the id alone."""
    name, about = _key(text)
    if isinstance(kept, dict):
        return Alarm(**{key: value for key, value in kept.items() if key in _FIELDS})
    return Alarm(str(kept), name, *about)
