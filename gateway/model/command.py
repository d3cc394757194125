"""What travels down: a command is one act with an id, a deadline and a recorded result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.model.reading import Event

SENT = 202
"""Code of a command that was sent to a device that never answers, such as a broadcast address."""


class Outcome(StrEnum):
    """How a command ended."""

    CONFIRMED = "confirmed"
    """Read back and equal within tolerance, or write-only and accepted."""
    UNCONFIRMED = "unconfirmed"
    """Written; the read-back differs or failed. With code `SENT`: nobody is there who could confirm it."""
    REJECTED = "rejected"
    """Refused before the wire."""
    FAILED = "failed"
    """The device refused or did not answer."""
    EXPIRED = "expired"
    """Too late; not executed."""


@dataclass(frozen=True, slots=True)
class Command:
    """A wish to write one deviceCommand or deviceResource of one device."""

    id: str
    """Given by the caller, remembered per device until expiry + 24 h; a repeated id returns the first result. Empty:
    the gateway makes one, and forgets it once the result is told."""
    device: str
    name: str
    args: Mapping[str, Any]
    """Resource name → value, typed or as EdgeX text."""
    actor: str
    """Who asked, for the record: `rest 127.0.0.1`, `mqtt`, `desired`, `cli`."""
    received: int
    """ns UTC."""
    expires_at: int | None = None
    """ns UTC; later than this it is refused, never executed."""
    if_version: int | None = None
    """Refuse with 409 unless the twin's reported version equals this."""
    reply_to: str = ""
    correlation: bytes = b""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command."""

    id: str
    device: str
    name: str
    outcome: Outcome
    code: int
    """Status of the cloud contract: 200, 202, 204, 400, 403, 404, …"""
    started: int
    finished: int
    error: str = ""
    attempt: int = 1
    """1 for the first delivery; more when a repeated id was answered from the record."""
    wanted: Mapping[str, Any] = field(default_factory=dict)
    readback: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What a method gave back, by resource name."""
    event: Event | None = None
    """The read-back (or a method's outputs) as it went up."""


@dataclass(frozen=True, slots=True)
class Desired:
    """The full desired document of one device, as the cloud owns it. A target that survives being offline."""

    device: str
    epoch: str
    version: int
    ts: int
    properties: Mapping[str, Any]
    expires_at: int | None = None
