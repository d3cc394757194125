"""What travels up: a Source's values at a time, in columns.

An `Event` is the unit everywhere (bus, journal, exporters); a `Reading` is one row of it, made on demand for people.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from gateway.model.profile import Compat, DeviceResource

Level = Literal["good", "uncertain", "bad"]
Reason = Literal["", "timeout", "refused", "overflow", "nan", "stale", "disconnected", "config", "device"]


class Quality(NamedTuple):
    """How far a value can be trusted. Leaves as `[level, reason]` or `[level, reason, code]`."""

    level: Level
    reason: Reason = ""
    code: str = ""
    """What the device itself said (a Modbus exception code, an OPC UA status code)."""


GOOD = Quality("good")
TIMEOUT = Quality("bad", "timeout")
OVERFLOW = Quality("bad", "overflow")
NAN = Quality("bad", "nan")
STALE = Quality("bad", "stale")
DISCONNECTED = Quality("bad", "disconnected")


def refused(code: str) -> Quality:
    """The device answered "no" for this value; `code` is its own word for it."""
    return Quality("bad", "refused", code)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A named group of resources of one device: an EdgeX deviceCommand, deviceResource, or a throw-away selection.

    Immutable; compared by identity. Any change of a profile makes a new Source with a new `number`, so stored events
    always decode with theirs.
    """

    service: str
    profile: str
    device: str
    name: str
    resources: tuple[DeviceResource, ...]
    mappings: tuple[Mapping[str, str], ...] = ()
    """Per resource, the deviceCommand's value → text mappings; empty when no resource has any."""
    tags: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    """Given by the store; 0 for a throw-away source that was never stored."""
    compat: Compat = Compat.NONE
    """Of the profile or the gateway: whose behaviour where EdgeX is plainly wrong."""
    names: tuple[str, ...] = field(init=False)
    """Resource names, in the order of the values."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple([r.name for r in self.resources]))


class OneTime(Mapping[int, int]):
    """The source time (ns) that all values of an event share, by position as a dict has it, for next to nothing:
    devices that tell by themselves stamp thousands of values alike."""

    __slots__ = ("_count", "time")

    def __init__(self, count: int, time: int) -> None:
        self._count, self.time = count, time

    def __getitem__(self, position: int) -> int:
        if 0 <= position < self._count:
            return self.time
        raise KeyError(position)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._count))

    def __len__(self) -> int:
        return self._count


@dataclass(slots=True, eq=False)
class Event:
    """A Source's values at one time, in columns. A read, a notification and a change-only event all have this shape."""

    source: Source
    origin: int
    """ns since the epoch, UTC; strictly increasing per device service."""
    values: list[Any]
    """One per resource of the source, or per entry of `which`. None where there is no value (see `quality`)."""
    which: tuple[int, ...] | None = None
    """Indexes into `source.resources` when only some came; None: all, in order."""
    quality: dict[int, Quality] | None = None
    """By position in `values`, only what is not good. None: all good."""
    times: Mapping[int, int] | None = None
    """By position in `values`, the value's own source time (ns) where it differs from `origin`."""
    historical: bool = False
    """Not sent as it happened (backlog, backfill)."""
    repeat: bool = False
    """Freshly read, but nothing changed: updates the twin, is not kept or sent."""
    offset: int = 0
    """Given by the journal; grows, never repeats. 0 until appended."""
    raw: list[Any] | None = None
    """The values as they were before the profile's transform, of what somebody reads now; None: not kept."""

    def index(self, at: int) -> int:
        """Which of the source's resources the value at this position is of."""
        return at if self.which is None else self.which[at]

    def names(self) -> Sequence[str]:
        """Resource names, one per value."""
        if self.which is None:
            return self.source.names
        return [self.source.names[i] for i in self.which]

    def readings(self) -> "Iterator[Reading]":
        """The rows of this event, for people (API, log, command line). Not for the hot path."""
        for position, value in enumerate(self.values):
            yield Reading(
                device=self.source.device,
                profile=self.source.profile,
                resource=self.source.resources[self.index(position)],
                origin=(self.times or {}).get(position, self.origin),
                value=value,
                quality=(self.quality or {}).get(position, GOOD),
                raw=self.raw[position] if self.raw is not None else None,
            )


@dataclass(slots=True, eq=False)
class Message:
    """Something said about a device that is not a reading: a command's result, a desired acknowledgement, an alarm.

    Travels the journal like events do, in order with them, but is committed at once and never coalesced or dropped
    before readings are.
    """

    kind: Literal["result", "ack", "alarm"]
    device: str
    name: str
    """The command's, alarm's or (for an acknowledgement) "desired"."""
    origin: int
    body: dict[str, Any]
    """What leaves, JSON-able, in the shape the cloud contract gives."""
    reply_to: str = ""
    """MQTT 5 response topic of the request, or empty."""
    correlation: bytes = b""
    """MQTT 5 correlation data of the request, copied verbatim."""
    historical: bool = False
    offset: int = 0


Record = Event | Message
Batch = Sequence[Record]
"""What the bus, the journal and the exporters take: records of any sources, in order."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One row of an Event, for people."""

    device: str
    profile: str
    resource: DeviceResource
    origin: int
    value: Any
    quality: Quality
    raw: Any = None
    """See `Event.raw`."""
