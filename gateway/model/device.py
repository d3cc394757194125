"""Devices as EdgeX lists them (v3), and what is known of their state."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field

from gateway.model.profile import EdgeXModel, Flag, FreeMap, GoDuration, Name, Number, Text


class AdminState(StrEnum):
    LOCKED = "LOCKED"
    UNLOCKED = "UNLOCKED"


class OperatingState(StrEnum):
    UP = "UP"
    DOWN = "DOWN"
    UNKNOWN = "UNKNOWN"


class Retention(EdgeXModel):
    """EdgeX's per-autoEvent retention; zero values mean the service's defaults."""

    max_cap: int = 0
    min_cap: int = 0
    duration: Text = ""


class AutoEvent(EdgeXModel):
    """One source to be read every `interval`."""

    interval: GoDuration
    on_change: Flag = False
    on_change_threshold: Number = Field(default=0.0, ge=0)
    source_name: Name
    retention: Retention | None = None


class Device(EdgeXModel):
    """One device of a device list. Which mapper owns it: `service_name`, else the key under `protocols`."""

    id: Text = ""
    name: Name
    parent: Text = ""
    description: Text = ""
    admin_state: AdminState = AdminState.UNLOCKED
    operating_state: OperatingState = OperatingState.UP
    labels: list[Text] = []
    location: Any = None
    tags: FreeMap = {}
    service_name: Text = ""
    profile_name: Text = ""
    protocols: dict[str, FreeMap] = {}
    auto_events: list[AutoEvent] = []
    properties: FreeMap = {}


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
