"""What is going to happen on a wire, before it happens: connections, polls, plans. Pure data."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.model.device import AutoEvent, Device
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Source

Facts = dict[str, Any]
"""What was learned about one device (JSON-able): its answer time, later holes and block limits. An input of plans."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Identity of what must not be shared: a TCP endpoint, a serial port, a session. One Lane owns it."""

    service: str
    key: str
    """What devices share, as people write it: `192.168.1.5:502`, `/dev/ttyUSB0`."""
    settings: Hashable
    """The protocol's own frozen settings. Two devices with one key and unequal settings are an error naming both."""


@dataclass(frozen=True, slots=True)
class Request:
    """One exchange on the wire, for people and for the sum of a cycle."""

    text: str
    """`FC3 holding registers 0-99`."""
    pdu: bytes
    sent: int
    """Bytes on the wire, with framing, towards the device."""
    received: int
    """Bytes of the full answer, with framing."""
    line_s: float = 0.0
    """Seconds of the connection that this exchange takes beside the device's own time to answer: characters and
    silences of a serial line, and the rest a device wants before each request."""


class Plan(Protocol):
    """What a mapper will do for one Poll; made by the protocol, opaque to everyone but its mapper."""

    @property
    def device(self) -> str: ...
    @property
    def unit(self) -> Hashable:
        """What goes silent together on one connection (a Modbus unit id)."""
        ...

    @property
    def sources(self) -> Sequence[Source]: ...
    @property
    def requests(self) -> Sequence[Request]:
        """In the order they will be sent."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Poll:
    """The sources of one device that are due together: what a plan is made for."""

    device: str
    interval: float
    """Seconds."""
    sources: tuple[Source, ...]
    auto_events: tuple[AutoEvent, ...]
    """One per source: its on-change rule."""
    plan: Plan


@dataclass(frozen=True, slots=True, eq=False)
class PlannedDevice:
    """A device that passed every check, ready to run. Compared by identity: unchanged devices keep their object."""

    device: Device
    profile: DeviceProfile
    connection: Connection
    sources: Mapping[str, Source]
    """Every deviceCommand and deviceResource by name (the command wins where both have the name)."""
    polls: tuple[Poll, ...] = ()
    facts: Facts = field(default_factory=dict)
    """Kept up to date while the device runs, as long as its requests stay the same with them."""
    mute: str = ""
    """Why nobody ever answers for it, in words; see `DeviceProtocol.mute`."""
    codes: Mapping[str, str] = field(default_factory=dict)
    """See `DeviceProtocol.codes`."""
    made: bool = False
    """Its values are made here, by rules, when there is something to make them of; see `Made`."""
