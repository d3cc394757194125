"""Devices as EdgeX lists them (v3), and what is known of their state."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from gateway.model.duration import parse_duration
from gateway.model.fields import (
    EdgeXModel,
    Flag,
    FreeMap,
    FreeValue,
    GoDuration,
    Integer,
    Name,
    Number,
    Text,
    Uuid,
)
from gateway.model.scalar import text_map


class AdminState(StrEnum):
    """Whether people allow commands and polls."""

    LOCKED = "LOCKED"
    UNLOCKED = "UNLOCKED"


class OperatingState(StrEnum):
    """Whether the device is said to work."""

    UP = "UP"
    DOWN = "DOWN"
    UNKNOWN = "UNKNOWN"


def at_least_1ms(text: str) -> str:
    """An interval of autoEvents as it is. Raises ValueError."""
    if parse_duration(text) < 0.001:
        raise ValueError(f"an interval must be 1ms or longer, got {text!r}")
    return text


def _not_negative(text: str) -> str:
    if text and parse_duration(text) < 0:
        raise ValueError(f"a duration here must not be negative, got {text!r}")
    return text


class Retention(EdgeXModel):
    """EdgeX's per-autoEvent retention; zero values mean the service's defaults."""

    always = frozenset({"maxCap", "minCap", "duration"})

    max_cap: Integer = 0
    """Events kept at most, before the oldest go; 0 or less: no such limit."""
    min_cap: Integer = 0
    """Events always kept."""
    duration: Annotated[Text, AfterValidator(_not_negative)] = ""
    """How long events are kept, such as 168h."""


class AutoEvent(EdgeXModel):
    """One source to be read every `interval`."""

    always = frozenset({"interval", "onChange", "onChangeThreshold", "sourceName", "retention"})

    interval: Annotated[GoDuration, AfterValidator(at_least_1ms)]
    """How often it is read: a duration such as 500ms, 10s or 1h30m."""
    on_change: Flag = False
    """Reported only when it changed."""
    on_change_threshold: Annotated[Number, Field(ge=0)] = 0.0
    """A number must change by more than this."""
    source_name: Name
    """A deviceCommand, a deviceResource, or a POSIX regular expression over whole resource names."""
    retention: Retention | None = None
    """How long its events are kept, as EdgeX's core-data does it: followed where a history is kept (`history:` in
    gateway.yaml); the journal's `max_age` and `max_bytes` decide for all."""


class Device(EdgeXModel):
    """One device of a device list. Which mapper owns it: `serviceName`, else the key under `protocols`."""

    always = frozenset({"name", "adminState", "operatingState", "serviceName", "protocols", "properties"})
    unread = frozenset({"$schema", "apiVersion", "created", "modified", "dbTimestamp", "lastConnected", "lastReported"})

    id: Uuid = ""
    """A UUID; better left out."""
    name: Name
    """Unique in the gateway."""
    parent: Text = ""
    """Name of the device this one is a part of."""
    description: Text = ""
    """For people."""
    admin_state: AdminState = AdminState.UNLOCKED
    """LOCKED: neither polled nor commanded."""
    operating_state: OperatingState = OperatingState.UP
    """DOWN: said not to work."""
    labels: list[Text] = Field(default_factory=list)
    """For searching."""
    location: FreeValue = None
    """Free-form."""
    service_name: Text = ""
    """Device service that owns it, such as device-modbus; empty: the key under protocols decides."""
    profile_name: Text = ""
    """The device profile; empty: no polls and no commands."""
    auto_events: list[AutoEvent] | None = None
    """What is read, and how often. Left out: what the profile's own `autoEvents` say; where a device has some, only its
    own count, and with an empty list nothing is read."""
    protocols: Annotated[dict[Text, FreeMap], BeforeValidator(text_map)] = Field(default_factory=dict)
    """How it is reached: one mapping per protocol."""
    tags: FreeMap = Field(default_factory=dict)
    """Free-form; copied to every event."""
    properties: FreeMap = Field(default_factory=dict)
    """Free-form, with two keys of ours: `parameters`, values for those of the profile; `overrides`, by resource, other
    attributes and properties for this device."""


class Flow(StrEnum):
    """State of a device as the cloud and people see it; `online` only while values flow, not while a socket is open."""

    ONLINE = "online"
    OFFLINE = "offline"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DeviceState:
    state: Flow
    reason: str
    """Plain words: why, and when the next try is. Empty when online."""
    since: int
    """ns UTC."""
