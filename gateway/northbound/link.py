"""What the parts of this room share, for one gateway at one broker."""

from collections import Counter
from dataclasses import dataclass, field

from gateway.model.contracts import Clock
from gateway.northbound.client import MqttClient
from gateway.northbound.topics import Topics


@dataclass(frozen=True, slots=True)
class Link:
    client: MqttClient
    topics: Topics
    session: str
    """ULID made at start."""
    clock: Clock
    counts: Counter[str] = field(default_factory=Counter)
    """What was handled, ignored and refused, by cause."""
