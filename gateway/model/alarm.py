"""Alarms: what they are about, and what is known of one that is raised."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

Severity = Literal["info", "warning", "critical"]


class Subject(NamedTuple):
    """What an alarm is about; the gateway itself, unless it says more."""

    device: str = ""
    resource: str = ""


GATEWAY = Subject()


@dataclass(slots=True)
class Alarm:
    """One that is raised, until it is cleared."""

    id: str
    name: str
    device: str = ""
    resource: str = ""
    severity: str = "warning"
    since: int = 0
    """ns UTC; 0: unknown."""
    value: float | None = None
    why: str = ""
    acknowledged: int = 0
    """When somebody said so, ns UTC; 0: not yet."""
    by: str = ""
    """Who acknowledged it."""
    comment: str = ""
    """And what they said."""

    @property
    def about(self) -> Subject:
        return Subject(self.device, self.resource)

    def json(self) -> dict[str, Any]:
        """As it is kept and shown."""
        return asdict(self)
