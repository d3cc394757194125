"""Events → messages. Hot: once per event, a few C calls for all its values.

Events that follow one another within a flush and belong to one source share a message, up to 64 KB; an event of another
source of the same device, or a message about it, begins a new one, so that the order per device holds on the wire.
Live and historical never share. Spelling of the shape: `docs/reference/schemas/telemetry.json`.
"""

from collections.abc import Callable
from typing import Any

from gateway.model.profile import ValueType
from gateway.model.reading import Batch, Event, Message, OneTime, Source
from gateway.northbound.delivery import Outgoing
from gateway.northbound.payload import encode, exact_values
from gateway.northbound.topics import Topics

MAX_MESSAGE = 64 * 1024
"""Bytes of a message that holds more than one event."""
_WIDE = frozenset(
    {
        ValueType.INT64, ValueType.UINT64, ValueType.INT64_ARRAY, ValueType.UINT64_ARRAY,
        ValueType.OBJECT, ValueType.OBJECT_ARRAY,
    }
)  # fmt: skip
_MANY_SOURCES = 20_000

EventId = Callable[[str, str, int], str]
"""Device, source, origin (ns) → the event's id, the same wherever the event is shown."""
Say = Callable[[Message], Outgoing]
"""How a result, an acknowledgement or an alarm leaves."""


class _Group:
    """One message in the making."""

    __slots__ = ("events", "offsets", "size", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.events: list[bytes] = []
        self.offsets: list[int] = []
        self.size = 0


class Telemetry:
    """Makes the messages of a batch."""

    def __init__(self, topics: Topics, session: str, event_id: EventId) -> None:
        self._topics = topics
        self._event_id = event_id
        self._live = b'{"session":%b,"historical":false,"events":[' % encode(session)
        self._historical = b'{"session":%b,"historical":true,"events":[' % encode(session)
        self._wide: dict[Source, bool] = {}

    def messages(self, batch: Batch, say: Say, limit: int = MAX_MESSAGE) -> list[Outgoing]:
        """What a batch becomes, in order per device."""
        limit = min(limit, MAX_MESSAGE) - len(self._live) - 2
        found: list[Outgoing | tuple[_Group, bool]] = []
        open_groups: dict[tuple[str, bool], _Group] = {}
        for record in batch:
            if isinstance(record, Message):
                open_groups.pop((record.device, record.historical), None)
                outgoing = say(record)
                outgoing.offsets = (record.offset,)
                found.append(outgoing)
                continue
            text = self.event(record)
            key = (record.source.device, record.historical)
            group = open_groups.get(key)
            if group is None or group.source is not record.source or group.size + len(text) > limit:
                group = open_groups[key] = _Group(record.source)
                found.append((group, record.historical))
            group.events.append(text)
            group.offsets.append(record.offset)
            group.size += len(text) + 1
        return [one if isinstance(one, Outgoing) else self._outgoing(*one) for one in found]

    def _outgoing(self, group: _Group, historical: bool) -> Outgoing:
        head = self._historical if historical else self._live
        payload = b"%b%b]}" % (head, b",".join(group.events))
        return Outgoing(self._topics.telemetry(group.source), payload, offsets=tuple(group.offsets))

    def event(self, event: Event) -> bytes:
        """One element of `events`."""
        source = event.source
        body: dict[str, Any] = {
            "seq": event.offset,
            "id": self._event_id(source.device, source.name, event.origin),
            "ts": event.origin,
            "v": dict(zip(source.names if event.which is None else event.names(), event.values, strict=True)),
        }
        if event.quality or self._is_wide(source):
            body |= columns(event)
        elif event.times:
            body["st"] = _source_times(event)
        return encode(body)

    def _is_wide(self, source: Source) -> bool:
        wide = self._wide.get(source)
        if wide is None:
            if len(self._wide) >= _MANY_SOURCES:
                self._wide.clear()
            wide = self._wide[source] = any(r.properties.value_type in _WIDE for r in source.resources)
        return wide


def columns(event: Event) -> dict[str, Any]:
    """`v`, and where there is something to say `q`, `st` and `i64`, of an event; also what a read answers with."""
    names = event.names()
    values, texts = exact_values(dict(zip(names, event.values, strict=True)))
    found: dict[str, Any] = {"v": values}
    for at, quality in (event.quality or {}).items():
        if quality.level == "bad":
            values[names[at]] = None
        if quality.level != "good":
            found.setdefault("q", {})[names[at]] = [part for part in quality if part]
    if event.times:
        found["st"] = _source_times(event)
    if texts:
        found["i64"] = texts
    return found


def _source_times(event: Event) -> dict[str, int]:
    names, times = event.names(), event.times or {}
    if isinstance(times, OneTime):
        return dict.fromkeys(names, times.time)
    return {names[at]: time for at, time in times.items()}
