"""Alarms the gateway itself raises, about its disk, its clock and its writes, in the shape of the cloud contract."""

import logging
from typing import NamedTuple

from gateway.model.contracts import Clock, Publish
from gateway.model.reading import Message

log = logging.getLogger(__name__)


class Subject(NamedTuple):
    """What an alarm is about; the gateway itself, unless it says more."""

    device: str = ""
    resource: str = ""


GATEWAY = Subject()


class Alarms:
    """What is raised, told again and cleared is one alarm with one id."""

    def __init__(self, publish: Publish, clock: Clock) -> None:
        self._publish, self._clock = publish, clock
        self._raised: dict[tuple[str, Subject], str] = {}

    def is_raised(self, name: str, about: Subject = GATEWAY) -> bool:
        return (name, about) in self._raised

    def tell(self, name: str, state: str, why: str, value: float | None = None, about: Subject = GATEWAY) -> None:
        """`state`: `raised` or `cleared`. In the journal, and so on its way, when it returns."""
        whose = f" of {about.resource} of {about.device}" if about.device else ""
        (log.warning if state == "raised" else log.info)("alarm %s%s %s: %s", name, whose, state, why)
        now = self._clock.now()
        identity = self._raised.setdefault((name, about), f"{name}-{now}")
        if state != "raised":
            del self._raised[name, about]
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
