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


def _at_least_1ms(text: str) -> str:
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
    min_cap: Integer = 0
    duration: Annotated[Text, AfterValidator(_not_negative)] = ""


class AutoEvent(EdgeXModel):
    """One source to be read every `interval`."""

    always = frozenset({"interval", "onChange", "onChangeThreshold", "sourceName", "retention"})

    interval: Annotated[GoDuration, AfterValidator(_at_least_1ms)]
    on_change: Flag = False
    on_change_threshold: Annotated[Number, Field(ge=0)] = 0.0
    source_name: Name
    """A deviceCommand, a deviceResource, or a POSIX regular expression over whole resource names."""
    retention: Retention | None = None


class Device(EdgeXModel):
    """One device of a device list. Which mapper owns it: `service_name`, else the key under `protocols`."""

    always = frozenset({"name", "adminState", "operatingState", "serviceName", "protocols", "properties"})
    unread = frozenset({"$schema", "apiVersion", "created", "modified", "dbTimestamp", "lastConnected", "lastReported"})

    id: Uuid = ""
    name: Name
    parent: Text = ""
    description: Text = ""
    admin_state: AdminState = AdminState.UNLOCKED
    operating_state: OperatingState = OperatingState.UP
    labels: list[Text] = Field(default_factory=list)
    location: FreeValue = None
    service_name: Text = ""
    profile_name: Text = ""
    auto_events: list[AutoEvent] = Field(default_factory=list)
    protocols: Annotated[dict[Text, FreeMap], BeforeValidator(text_map)] = Field(default_factory=dict)
    tags: FreeMap = Field(default_factory=dict)
    properties: FreeMap = Field(default_factory=dict)


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
