"""Ids that nobody has to store: shaped like random uuids (version 4), made from what they name.

An event is named by its device, its source and its origin, which only grows; so an event that was read a moment ago has
the id that it will have in the journal, in every message and after a restart, and an id says where to look.
"""

import hashlib
import uuid
from dataclasses import dataclass

_MARK_BITS, _POSITION_BITS, _ORIGIN_BITS = 39, 20, 63


@dataclass(frozen=True, slots=True)
class EventId:
    """What can be read back from the id of an event or reading."""

    origin: int
    """ns UTC."""
    position: int
    """0: the event; n: its reading of the source's n-th resource, counted from 1, whichever others it has."""
    mark: int
    """Of device and source, see `mark`."""


def event_id(device: str, source: str, origin: int, position: int = 0) -> str:
    """Of an event, or with a position of one of its readings."""
    origin &= (1 << _ORIGIN_BITS) - 1
    position &= (1 << _POSITION_BITS) - 1
    return _shape((origin << _POSITION_BITS | position) << _MARK_BITS | mark(device, source))


def parse_event_id(text: str) -> EventId | None:
    """None when it is a uuid of somebody else. Raises ValueError when it is no uuid."""
    given = uuid.UUID(text)
    if given.version != 4:
        return None
    number = given.int
    bits = (number >> 80) << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
    rest = bits >> _MARK_BITS
    return EventId(rest >> _POSITION_BITS, rest & (1 << _POSITION_BITS) - 1, bits & (1 << _MARK_BITS) - 1)


def mark(device: str, source: str) -> int:
    """Tells the sources that share an origin apart."""
    return _digest("event", device, source) >> 122 - _MARK_BITS


def object_id(kind: str, name: str) -> str:
    """Of a device, profile or service that was given none; the name decides."""
    return _shape(_digest(kind, name))


def _digest(*parts: str) -> int:
    """122 bits; the lengths keep `a`, `bc` and `ab`, `c` apart."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]) >> 6


def _shape(bits: int) -> str:
    """122 bits around the version and variant of RFC 9562."""
    high, middle, low = bits >> 74, bits >> 62 & 0xFFF, bits & (1 << 62) - 1
    return str(uuid.UUID(int=high << 80 | 4 << 76 | middle << 64 | 0b10 << 62 | low))
