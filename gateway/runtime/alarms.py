"""Alarms about the gateway itself, its disk and its clock, in the shape of the cloud contract."""

import logging

from gateway.model.contracts import Clock, Publish
from gateway.model.reading import Message

log = logging.getLogger(__name__)


class Alarms:
    """What is raised, told again and cleared is one alarm with one id."""

    def __init__(self, publish: Publish, clock: Clock) -> None:
        self._publish, self._clock = publish, clock
        self._raised: dict[str, str] = {}

    def tell(self, name: str, state: str, why: str, value: float | None = None) -> None:
        """`state`: `raised` or `cleared`. In the journal, and so on its way, when it returns."""
        (log.warning if state == "raised" else log.info)("alarm %s %s: %s", name, state, why)
        now = self._clock.now()
        identity = self._raised.setdefault(name, f"{name}-{now}")
        if state != "raised":
            del self._raised[name]
        body = {
            "id": identity,
            "name": name,
            "state": state,
            "severity": "warning",
            "ts": now,
            "resource": "",
            "value": value,
            "why": why,
        }
        self._publish([Message("alarm", "", name, now, body)])
