"""core-data: events and readings that the journal keeps."""

from fastapi import APIRouter, Request

from gateway.api.bodies import parse_json
from gateway.api.envelope import EdgexError, GoResponse, reply
from gateway.api.paging import Page, Paged, when
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.api.records import count_readings, events_page, find_event, readings_page
from gateway.api.values import event_json
from gateway.model.query import Selection

router = APIRouter()


async def _events(parts: Parts, selection: Selection, page: Page) -> GoResponse:
    total, events = await events_page(parts, selection, page)
    return reply(totalCount=total, events=events)


async def _readings(parts: Parts, selection: Selection, page: Page, only: frozenset[str] | None = None) -> GoResponse:
    total, readings = await readings_page(parts, selection, page, only)
    return reply(totalCount=total, readings=readings)


def _span(start: str, end: str) -> tuple[int, int]:
    first, last = when(start, "start"), when(end, "end")
    if last < first:
        raise EdgexError(400, f"end's value {end} is not allowed to be smaller than start's value {start}")
    return first, last


@router.get("/event/all")
async def all_events(parts: House, page: Paged) -> GoResponse:
    """Events, newest first."""
    return await _events(parts, Selection(), page)


@router.get("/event/id/{identity}")
async def event_by_id(identity: str, parts: House) -> GoResponse:
    """One event, as long as the journal keeps it."""
    event = await find_event(parts, identity)
    device = parts.registry.current.devices.get(event.source.device)
    return reply(event=event_json(event, device.tags if device else None))


@router.delete("/event/id/{identity}")
async def delete_event(identity: str, parts: House) -> GoResponse:
    """Removes one event from what people can ask for; who has not received it yet still does."""
    event = await find_event(parts, identity)
    await parts.store.delete(Selection(event=event.offset, limit=-1))
    return reply()


@router.get("/event/count")
async def count_events(parts: House) -> GoResponse:
    """How many events are kept."""
    return reply(count=(await parts.store.events(Selection(limit=0)))[1])


@router.get("/event/count/device/name/{name}")
async def count_events_of_device(name: Name, parts: House) -> GoResponse:
    """How many events of one device are kept."""
    return reply(count=(await parts.store.events(Selection(device=name, limit=0)))[1])


@router.get("/event/device/name/{name}")
async def events_of_device(name: Name, parts: House, page: Paged) -> GoResponse:
    """Events of one device."""
    return await _events(parts, Selection(device=name), page)


@router.get("/event/start/{start}/end/{end}")
async def events_between(start: str, end: str, parts: House, page: Paged) -> GoResponse:
    """Events of a span of time, both ends in ns and included."""
    first, last = _span(start, end)
    return await _events(parts, Selection(start=first, end=last), page)


@router.delete("/event/device/name/{name}", status_code=202)
async def delete_events_of_device(name: Name, parts: House) -> GoResponse:
    """Removes the events of one device from what people can ask for."""
    await parts.store.delete(Selection(device=name, limit=-1))
    return reply(202)


@router.delete("/event/age/{age}", status_code=202)
async def delete_old_events(age: str, parts: House) -> GoResponse:
    """Removes the events that are older than this many ns."""
    await parts.store.delete(Selection(end=max(0, parts.clock.now() - when(age, "age")), limit=-1))
    return reply(202)


@router.get("/reading/all")
async def all_readings(parts: House, page: Paged) -> GoResponse:
    """Readings, newest first."""
    return await _readings(parts, Selection(), page)


@router.get("/reading/count")
async def count_all_readings(parts: House) -> GoResponse:
    """How many readings are kept."""
    return reply(count=await count_readings(parts.store, Selection()))


@router.get("/reading/count/device/name/{name}")
async def count_readings_of_device(name: Name, parts: House) -> GoResponse:
    """How many readings of one device are kept."""
    return reply(count=await count_readings(parts.store, Selection(device=name)))


@router.get("/reading/device/name/{name}")
async def readings_of_device(name: Name, parts: House, page: Paged) -> GoResponse:
    """Readings of one device."""
    return await _readings(parts, Selection(device=name), page)


@router.get("/reading/resourceName/{resource}")
async def readings_of_resource(resource: Name, parts: House, page: Paged) -> GoResponse:
    """Readings of one resource, of every device that has it."""
    return await _readings(parts, Selection(resource=resource), page)


@router.get("/reading/start/{start}/end/{end}")
async def readings_between(start: str, end: str, parts: House, page: Paged) -> GoResponse:
    """Readings of a span of time, both ends in ns and included."""
    first, last = _span(start, end)
    return await _readings(parts, Selection(start=first, end=last), page)


@router.get("/reading/resourceName/{resource}/start/{start}/end/{end}")
async def readings_of_resource_between(resource: Name, start: str, end: str, parts: House, page: Paged) -> GoResponse:
    """Readings of one resource in a span of time."""
    first, last = _span(start, end)
    return await _readings(parts, Selection(resource=resource, start=first, end=last), page)


@router.get("/reading/device/name/{name}/resourceName/{resource}")
async def readings_of_device_resource(name: Name, resource: Name, parts: House, page: Paged) -> GoResponse:
    """Readings of one resource of one device."""
    return await _readings(parts, Selection(device=name, resource=resource), page)


@router.get("/reading/device/name/{name}/resourceName/{resource}/start/{start}/end/{end}")
async def readings_of_device_resource_between(
    name: Name, resource: Name, start: str, end: str, parts: House, page: Paged
) -> GoResponse:
    """Readings of one resource of one device in a span of time."""
    first, last = _span(start, end)
    return await _readings(parts, Selection(device=name, resource=resource, start=first, end=last), page)


@router.get("/reading/device/name/{name}/start/{start}/end/{end}")
async def readings_of_device_between(
    request: Request, name: Name, start: str, end: str, parts: House, page: Paged
) -> GoResponse:
    """Readings of one device in a span of time, of all resources or those of a body `{"resourceNames": [...]}`."""
    first, last = _span(start, end)
    only = _resource_names(await request.body())
    return await _readings(parts, Selection(device=name, start=first, end=last), page, only)


def _resource_names(body: bytes) -> frozenset[str] | None:
    if not body.strip():
        return None
    content = parse_json(body)
    names = content.get("resourceNames") if isinstance(content, dict) else None
    if names is None and isinstance(content, dict):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise EdgexError(400, 'the body must be {"resourceNames": [names]}')
    return frozenset(names) or None
