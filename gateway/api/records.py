"""core-data's questions: passed on to the history where one is kept; else answered from the journal, events a page at a
time, readings counted one by one."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Literal, Protocol, runtime_checkable

from starlette.responses import Response

from gateway.api.asking import response
from gateway.api.envelope import EdgexError, reply
from gateway.api.listing import Listing
from gateway.api.parts import Parts
from gateway.model.aggregate import Sums, aggregate_json
from gateway.model.asking import Answer, Records
from gateway.model.contracts import Store
from gateway.model.edgexjson import event_json, readings_json
from gateway.model.errors import QuestionRefused
from gateway.model.ids import EventId, mark, parse_event_id
from gateway.model.profile import ValueType
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


async def events(parts: Parts, selection: Selection, listing: Listing) -> Response:
    """A page of events, the newest first. Raises EdgexError(416)."""
    page = listing.page
    selection = replace(selection, offset=page.offset, limit=page.limit)
    if parts.answers is not None:
        asked = Records("events", selection, numeric=listing.numeric, tags=_tags(parts, selection))
        return response(await parts.answers.ask(asked))
    found, total = await parts.store.events(selection)
    page.check(total)
    return reply(totalCount=total, events=[_shown(parts, one, listing.numeric) for one in found])


async def readings(
    parts: Parts, selection: Selection, listing: Listing, only: frozenset[str] | None = None
) -> Response:
    """A page of readings, the newest first, or their aggregates. `only`: these resources. Raises EdgexError 413,
    416."""
    page = listing.page
    if parts.answers is not None:
        paged = replace(selection, offset=page.offset, limit=page.limit)
        names = tuple(sorted(only or ()))
        asked = Records("readings", paged, names, numeric=listing.numeric, aggregate=listing.aggregate)
        return response(await parts.answers.ask(asked))
    if listing.aggregate:
        found = await _aggregates(parts.store, selection, only, listing.aggregate)
        return reply(aggregateFunc=listing.aggregate, readings=found[page.offset : page.offset + page.limit])
    total, some = await _readings_page(parts, selection, listing, only)
    return reply(totalCount=total, readings=some)


async def count(parts: Parts, kind: Literal["events", "readings"], selection: Selection) -> Response:
    """How many there are."""
    if parts.answers is not None:
        return response(await parts.answers.ask(Records(kind, selection, count=True)))
    if kind == "events":
        return reply(count=(await parts.store.events(replace(selection, limit=0)))[1])
    return reply(count=await _count_readings(parts.store, selection))


async def event(parts: Parts, identity: str, numeric: bool) -> Response:
    """By its id. Raises EdgexError 400 (not a uuid), 404."""
    if parts.answers is not None:
        return response(await _kept_event(parts, identity, numeric))
    return reply(event=_shown(parts, await _find_event(parts, identity), numeric))


async def delete_event(parts: Parts, identity: str) -> None:
    """By its id. Raises EdgexError 400, 404."""
    if parts.answers is None:
        offset = (await _find_event(parts, identity)).offset
    else:
        answer = await _kept_event(parts, identity)
        offset = int(answer.notes["offset"])
    await delete(parts, Selection(event=offset, limit=-1))


async def delete(parts: Parts, selection: Selection) -> None:
    """From what people can ask for; whoever has not received it yet still does."""
    await parts.store.delete(selection)
    if parts.answers is not None:
        await parts.answers.delete(selection)


def _shown(parts: Parts, one: Event, numeric: bool) -> dict[str, Any]:
    device = parts.registry.current.devices.get(one.source.device)
    return event_json(one, device.tags if device else None, numeric=numeric)


def _tags(parts: Parts, selection: Selection) -> Mapping[str, Mapping[str, Any]]:
    """Of the devices that may be in the answer."""
    devices = parts.registry.current.devices
    if selection.device:
        devices = {selection.device: devices[selection.device]} if selection.device in devices else {}
    return {name: device.tags for name, device in devices.items() if device.tags}


async def _kept_event(parts: Parts, identity: str, numeric: bool = False) -> Answer:
    assert parts.answers is not None
    wanted = _event_id(identity)
    if wanted is None:
        raise EdgexError(404, f"event {identity} not found")
    at = Selection(start=wanted.origin, end=wanted.origin)
    asked = Records("events", _narrowed(parts, at, wanted), numeric=numeric, mark=wanted.mark)
    asked = replace(asked, tags=_tags(parts, asked.selection))
    try:
        return await parts.answers.ask(asked)
    except QuestionRefused as error:
        raise EdgexError(error.code, f"event {identity} not found" if error.code == 404 else str(error)) from None


async def _readings_page(
    parts: Parts, selection: Selection, listing: Listing, only: frozenset[str] | None
) -> tuple[int, list[dict[str, Any]]]:
    """How many readings the journal has, and this page of them."""
    page = listing.page
    if selection.resource:
        return await _one_per_event(parts, selection, listing)
    total = await _count_readings(parts.store, selection, only)
    page.check(total)
    found: list[dict[str, Any]] = []
    skip = page.offset
    if total <= skip or not page.limit:
        return total, []
    async for event in _newest_first(parts.store, selection):
        count = _count(event, only)
        if count > skip:
            found.extend(list(readings_json(event, only, listing.numeric))[skip:])
        skip = max(0, skip - count)
        if len(found) >= page.limit:
            break
    return total, found[: page.limit]


async def _one_per_event(parts: Parts, selection: Selection, listing: Listing) -> tuple[int, list[dict[str, Any]]]:
    """Of one resource an event has one reading, so the store's own paging will do."""
    page = listing.page
    events, total = await parts.store.events(replace(selection, offset=page.offset, limit=page.limit))
    page.check(total)
    only = frozenset({selection.resource})
    return total, [reading for event in events for reading in readings_json(event, only, listing.numeric)]


async def _count_readings(store: Store, selection: Selection, only: frozenset[str] | None = None) -> int:
    """Of a selection. Without the store's help every event is looked at."""
    if only is None and isinstance(store, CountsReadings):
        return await store.count_readings(selection)
    await _not_too_many(store, selection)
    return sum([_count(event, only) async for event in _newest_first(store, selection)])


async def _not_too_many(store: Store, selection: Selection) -> None:
    """Raises EdgexError(413) for more events than can be looked at one by one."""
    events = (await store.events(replace(selection, limit=0)))[1]
    if events > LOOK_AT_MOST:
        raise EdgexError(
            413, f"{events} events match, too many to look at their readings; ask for one resource, or a span"
        )


async def _aggregates(
    store: Store, selection: Selection, only: frozenset[str] | None, function: str
) -> list[dict[str, Any]]:
    """One number for each resource of each device."""
    await _not_too_many(store, selection)
    wanted = only or (frozenset({selection.resource}) if selection.resource else None)
    found: dict[tuple[str, str, str], tuple[ValueType, Sums]] = {}
    async for one in _newest_first(store, selection):
        for reading in one.readings():
            resource = reading.resource
            if wanted is None or resource.name in wanted:
                who = reading.device, resource.name, reading.profile
                _, sums = found.setdefault(who, (resource.properties.value_type, Sums()))
                if type(reading.value) in (int, float) and reading.quality.level != "bad":
                    sums.add(Sums(1, reading.value, reading.value, reading.value))
    return [aggregate_json(who, *found[who], function) for who in sorted(found)]


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


async def _find_event(parts: Parts, identity: str) -> Event:
    """In the journal. Raises EdgexError 400 (not a uuid), 404."""
    wanted = _event_id(identity)
    if wanted is not None:
        selection = Selection(start=wanted.origin, end=wanted.origin, limit=-1)
        for event in (await parts.store.events(_narrowed(parts, selection, wanted)))[0]:
            if mark(event.source.device, event.source.name) == wanted.mark:
                return event
    raise EdgexError(404, f"event {identity} not found")


def _event_id(identity: str) -> EventId | None:
    """None: of somebody else, or of a reading. Raises EdgexError(400)."""
    try:
        wanted = parse_event_id(identity)
    except ValueError:
        raise EdgexError(400, f"{identity} is not a uuid") from None
    return wanted if wanted is not None and wanted.position == 0 else None


def _narrowed(parts: Parts, selection: Selection, wanted: EventId) -> Selection:
    """With the device and source where they are still configured: their rows are found by index."""
    for device, planned in parts.registry.planned.items():
        for source in planned.sources:
            if mark(device, source) == wanted.mark:
                return replace(selection, device=device, source=source)
    return selection
