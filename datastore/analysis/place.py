"""What the rules are given of the house. Imports nothing that costs: most gateways have no rules."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from datastore.analysis.refs import SERVICE
from gateway.model.abilities import Made
from gateway.model.alarm import Alarm, AlarmName, Subject
from gateway.model.configuration import Configuration
from gateway.model.contracts import Clock, Protocols, Publish, State
from gateway.model.plan import PlannedDevice
from gateway.model.reading import Batch, Event


class Alarming(Protocol):
    """Raises, remembers and clears alarms: `gateway.runtime.alarms`."""

    def is_raised(self, name: AlarmName, about: Subject) -> bool: ...
    def tell(
        self,
        name: AlarmName,
        state: str,
        why: str,
        value: float | None = None,
        about: Subject = ...,
        severity: str = ...,
    ) -> None: ...

    def all(self) -> list[Alarm]: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`gateway.app` fills it in."""

    publish: Publish
    """Of what rules make."""
    clock: Clock
    alarms: Alarming
    planned: Callable[[], Mapping[str, PlannedDevice]]
    """The devices in force; another object whenever they changed."""
    make: Callable[[Configuration], Awaitable[None]]
    """Puts virtual devices in force, beside those of files. Raises ConfigError."""
    state: State
    file: Path | None = None
    """Where the rules of people stand, and what names of files in rules are relative to; None: gateway.yaml here."""
    data: Path = Path("data")

    @property
    def place(self) -> Path:
        """As `file`."""
        return self.file or Path("gateway.yaml")


def remembering(protocols: Protocols, publish: Publish) -> Publish:
    """Publishes what rules make; reads of it find the newest."""

    def told(batch: Batch) -> None:
        virtual = protocols.by_service(SERVICE)
        assert isinstance(virtual, Made)
        for event in batch:
            if isinstance(event, Event):
                virtual.remember(event)
        publish(batch)

    return told
