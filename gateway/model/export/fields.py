"""The words that an exporter's mapping and templates may use, and what they stand for."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.model.ids import event_id
from gateway.model.near import nearest
from gateway.model.reading import GOOD, Event, Message, Record

COMMON = ("gateway", "device", "id", "origin", "time", "historical")
"""Of every record: the gateway's name, the device, an id that stays the same however often it is sent, the time in ns
UTC and as RFC 3339, whether it is sent later than it happened."""
EVENT = (*COMMON, "profile", "source", "tags", "values", "qualities", "times")
"""Of an event, beside: values by resource; `[level, reason, code]` of those that are not good; source times, ns, of
those that have their own."""
READING = (*COMMON, "profile", "source", "event", "resource", "value", "type", "units", "quality", "reason", "code")
"""Of a single value, beside: the id of its event; quality `good`, `uncertain` or `bad` with a reason and the device's
own code."""
_SAID = ("state", "severity", "why", "resource", "value", "outcome", "code")
MESSAGE = (*COMMON, "kind", "name", "body", *_SAID)
"""Of an alarm, a command's result, an acknowledgement; `body` is all it says, the last ones are parts of that."""


def known(word: str, words: Iterable[str]) -> str:
    """The word itself. Raises ValueError with the nearest one there is."""
    words = tuple(words)
    if word not in words:
        near = nearest(word, words)
        raise ValueError(
            f"{{{word}}} is not known; " + (f"did you mean {{{near}}}?" if near else f"there are {', '.join(words)}")
        )
    return word


def identity(record: Record) -> str:
    """The same however often the record is sent, and the one that REST gives."""
    if isinstance(record, Event):
        return event_id(record.source.device, record.source.name, record.origin)
    return event_id(record.device, f"{record.kind}/{record.name}", record.origin)


def rfc3339(origin: int) -> str:
    """`2026-11-21T22:15:00.123456789Z` of ns UTC."""
    seconds, rest = divmod(origin, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def event_fields(event: Event, gateway: str) -> dict[str, Any]:
    """`EVENT` of an event; values JSON-able but for bytes, which leave as Base64."""
    names, source = event.names(), event.source
    return {
        "gateway": gateway,
        "device": source.device,
        "id": identity(event),
        "origin": event.origin,
        "time": rfc3339(event.origin),
        "historical": event.historical,
        "profile": source.profile,
        "source": source.name,
        "tags": dict(source.tags),
        "values": dict(zip(names, event.values, strict=True)),
        "qualities": {names[at]: [part for part in quality if part] for at, quality in (event.quality or {}).items()},
        "times": {names[at]: time for at, time in (event.times or {}).items() if time != event.origin},
    }


def reading_fields(event: Event, gateway: str) -> Iterator[dict[str, Any]]:
    """`READING` of every value of an event."""
    source = event.source
    quality, times = event.quality or {}, event.times or {}
    common = {
        "gateway": gateway,
        "device": source.device,
        "historical": event.historical,
        "profile": source.profile,
        "source": source.name,
        "event": identity(event),
    }
    for at, value in enumerate(event.values):
        index = event.index(at)
        resource = source.resources[index]
        level, reason, code = quality.get(at, GOOD)
        origin = times.get(at, event.origin)
        yield common | {
            "id": event_id(source.device, source.name, event.origin, index + 1),
            "origin": origin,
            "time": rfc3339(origin),
            "resource": resource.name,
            "value": value,
            "type": resource.properties.value_type.value,
            "units": resource.properties.units,
            "quality": level,
            "reason": reason,
            "code": code,
        }


def message_fields(message: Message, gateway: str) -> dict[str, Any]:
    """`MESSAGE` of a message."""
    return {
        "gateway": gateway,
        "device": message.device,
        "id": identity(message),
        "origin": message.origin,
        "time": rfc3339(message.origin),
        "historical": message.historical,
        "kind": message.kind,
        "name": message.name,
        "body": message.body,
        **{word: message.body.get(word) for word in _SAID},
    }


def record_fields(record: Record, gateway: str) -> Mapping[str, Any]:
    """Of an event or a message."""
    return event_fields(record, gateway) if isinstance(record, Event) else message_fields(record, gateway)
