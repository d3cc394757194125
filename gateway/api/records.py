"""Questions to the journal: events a page at a time, readings counted one by one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from gateway.api.envelope import EdgexError
from gateway.api.paging import Page
from gateway.api.parts import Parts
from gateway.api.values import event_json, readings_json
from gateway.model.contracts import Store
from gateway.model.ids import EventId, mark, parse_event_id
from gateway.model.query import Selection
from gateway.model.reading import Event

CHUNK = 500
"""Events looked at in one go while readings are counted; the loop runs in between."""
LOOK_AT_MOST = 20_000
"""Events that are looked at one by one for a count; about a second's work."""


@runtime_checkable
class CountsReadings(Protocol):
    """A store that knows how many readings a selection has without reading them."""

    async def count_readings(self, selection: Selection) -> int: ...


async def events_page(parts: Parts, selection: Selection, page: Page) -> tuple[int, list[dict[str, Any]]]:
    """How many events there are, and this page of them, newest first. Raises EdgexError(416)."""
    events, total = await parts.store.events(replace(selection, offset=page.offset, limit=page.limit))
    page.check(total)
    devices = parts.registry.current.devices
    return total, [event_json(e, d.tags if (d := devices.get(e.source.device)) else None) for e in events]


async def readings_page(
    parts: Parts, selection: Selection, page: Page, only: frozenset[str] | None = None
) -> tuple[int, list[dict[str, Any]]]:
    """How many readings there are, and this page of them, newest first. `only`: these resources. Raises EdgexError
    413, 416."""
    if selection.resource:
        return await _one_per_event(parts, selection, page)
    total = await count_readings(parts.store, selection, only)
    page.check(total)
    found: list[dict[str, Any]] = []
    skip = page.offset
    if total <= skip or not page.limit:
        return total, []
    async for event in _newest_first(parts.store, selection):
        count = _count(event, only)
        if count > skip:
            found.extend(list(readings_json(event, only))[skip:])
        skip = max(0, skip - count)
        if len(found) >= page.limit:
            break
    return total, found[: page.limit]


async def _one_per_event(parts: Parts, selection: Selection, page: Page) -> tuple[int, list[dict[str, Any]]]:
    """Of one resource an event has one reading, so the store's own paging will do."""
    events, total = await parts.store.events(replace(selection, offset=page.offset, limit=page.limit))
    page.check(total)
    only = frozenset({selection.resource})
    return total, [reading for event in events for reading in readings_json(event, only)]


async def count_readings(store: Store, selection: Selection, only: frozenset[str] | None = None) -> int:
    """Of a selection. Without the store's help every event is looked at, which is refused for too many of them:
    EdgexError(413)."""
    if only is None and isinstance(store, CountsReadings):
        return await store.count_readings(selection)
    events = (await store.events(replace(selection, limit=0)))[1]
    if events > LOOK_AT_MOST:
        raise EdgexError(
            413, f"{events} events match, too many to count their readings; ask for one resource, or a span"
        )
    return sum([_count(event, only) async for event in _newest_first(store, selection)])


def _count(event: Event, only: frozenset[str] | None) -> int:
    return len(event.values) if only is None else sum(name in only for name in event.names())


async def _newest_first(store: Store, selection: Selection) -> AsyncIterator[Event]:
    """All events of a selection. What is appended meanwhile is left out: the end moves along."""
    offset = 0
    while True:
        events, _ = await store.events(replace(selection, offset=offset, limit=CHUNK))
        for event in events:
            yield event
        if len(events) < CHUNK:
            return
        last = events[-1].origin
        # those of the same origin were seen already: in this chunk, and before it if it had no other origin
        offset = offset + len(events) if last == selection.end else sum(e.origin == last for e in events)
        selection = replace(selection, end=last)


async def find_event(parts: Parts, identity: str) -> Event:
    """By its id. Raises EdgexError 400 (not a uuid), 404."""
    try:
        wanted = parse_event_id(identity)
    except ValueError:
        raise EdgexError(400, f"{identity} is not a uuid") from None
    if wanted and wanted.position == 0:
        selection = Selection(start=wanted.origin, end=wanted.origin, limit=-1)
        for event in (await parts.store.events(_narrowed(parts, selection, wanted)))[0]:
            if mark(event.source.device, event.source.name) == wanted.mark:
                return event
    raise EdgexError(404, f"event {identity} not found")


def _narrowed(parts: Parts, selection: Selection, wanted: EventId) -> Selection:
    """With the device and source where they are still configured: their rows are found by index."""
    for device, planned in parts.registry.planned.items():
        for source in planned.sources:
            if mark(device, source) == wanted.mark:
                return replace(selection, device=device, source=source)
    return selection
