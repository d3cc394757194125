"""Alarms: what they are about, and what is known of one that is raised."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, NewType, get_args

OwnAlarm = Literal[
    "certificate-ends",
    "clock-step",
    "history-damaged",
    "history-failing",
    "journal-cut",
    "journal-damaged",
    "journal-dropping",
    "journal-failing",
    "state-damaged",
    "write-unconfirmed",
]
"""Alarms of the gateway itself. The type checker stops whoever tells of another, so none is missing here."""
OWN: frozenset[str] = frozenset(get_args(OwnAlarm))
"""Names that no rule may have."""
RuleName = NewType("RuleName", str)
"""Of a rule, and so of its alarm."""
AlarmName = OwnAlarm | RuleName
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
