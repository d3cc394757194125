"""core-data: events and readings, from the history where one is kept, else from the journal."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.api.bodies import parse_json
from gateway.api.envelope import EdgexError, reply
from gateway.api.listing import ListedEvents, ListedReadings, Numeric
from gateway.api.paging import when
from gateway.api.parts import House
from gateway.api.paths import Name
from gateway.api.posting import router as posting
from gateway.api.records import count, delete, delete_event, event, events, readings
from gateway.model.query import Selection

router = APIRouter()
router.include_router(posting)


def _span(start: str, end: str) -> tuple[int, int]:
    first, last = when(start, "start"), when(end, "end")
    if last < first:
        raise EdgexError(400, f"end's value {end} is not allowed to be smaller than start's value {start}")
    return first, last


@router.get("/event/all")
async def all_events(parts: House, listing: ListedEvents) -> Response:
    """Events, newest first."""
    return await events(parts, Selection(), listing)


@router.get("/event/id/{identity}")
async def event_by_id(identity: str, parts: House, numeric: Numeric) -> Response:
    """One event, as long as it is kept."""
    return await event(parts, identity, numeric)


@router.delete("/event/id/{identity}")
async def delete_event_by_id(identity: str, parts: House) -> Response:
    """Removes one event from what people can ask for; who has not received it yet still does."""
    await delete_event(parts, identity)
    return reply()


@router.get("/event/count")
async def count_events(parts: House) -> Response:
    """How many events are kept."""
    return await count(parts, "events", Selection())


@router.get("/event/count/device/name/{name}")
async def count_events_of_device(name: Name, parts: House) -> Response:
    """How many events of one device are kept."""
    return await count(parts, "events", Selection(device=name))


@router.get("/event/device/name/{name}")
async def events_of_device(name: Name, parts: House, listing: ListedEvents) -> Response:
    """Events of one device."""
    return await events(parts, Selection(device=name), listing)


@router.get("/event/start/{start}/end/{end}")
async def events_between(start: str, end: str, parts: House, listing: ListedEvents) -> Response:
    """Events of a span of time, both ends in ns and included."""
    first, last = _span(start, end)
    return await events(parts, Selection(start=first, end=last), listing)


@router.delete("/event/device/name/{name}", status_code=202)
async def delete_events_of_device(name: Name, parts: House) -> Response:
    """Removes the events of one device from what people can ask for."""
    await delete(parts, Selection(device=name, limit=-1))
    return reply(202)


@router.delete("/event/age/{age}", status_code=202)
async def delete_old_events(age: str, parts: House) -> Response:
    """Removes the events that are older than this many ns."""
    await delete(parts, Selection(end=max(0, parts.clock.now() - when(age, "age")), limit=-1))
    return reply(202)


@router.get("/reading/all")
async def all_readings(parts: House, listing: ListedReadings) -> Response:
    """Readings, newest first."""
    return await readings(parts, Selection(), listing)


@router.get("/reading/count")
async def count_all_readings(parts: House) -> Response:
    """How many readings are kept."""
    return await count(parts, "readings", Selection())


@router.get("/reading/count/device/name/{name}")
async def count_readings_of_device(name: Name, parts: House) -> Response:
    """How many readings of one device are kept."""
    return await count(parts, "readings", Selection(device=name))


@router.get("/reading/device/name/{name}")
async def readings_of_device(name: Name, parts: House, listing: ListedReadings) -> Response:
    """Readings of one device."""
    return await readings(parts, Selection(device=name), listing)


@router.get("/reading/resourceName/{resource}")
async def readings_of_resource(resource: Name, parts: House, listing: ListedReadings) -> Response:
    """Readings of one resource, of every device that has it."""
    return await readings(parts, Selection(resource=resource), listing)


@router.get("/reading/start/{start}/end/{end}")
async def readings_between(start: str, end: str, parts: House, listing: ListedReadings) -> Response:
    """Readings of a span of time, both ends in ns and included."""
    first, last = _span(start, end)
    return await readings(parts, Selection(start=first, end=last), listing)


@router.get("/reading/resourceName/{resource}/start/{start}/end/{end}")
async def readings_of_resource_between(
    resource: Name, start: str, end: str, parts: House, listing: ListedReadings
) -> Response:
    """Readings of one resource in a span of time."""
    first, last = _span(start, end)
    return await readings(parts, Selection(resource=resource, start=first, end=last), listing)


@router.get("/reading/device/name/{name}/resourceName/{resource}")
async def readings_of_device_resource(name: Name, resource: Name, parts: House, listing: ListedReadings) -> Response:
    """Readings of one resource of one device."""
    return await readings(parts, Selection(device=name, resource=resource), listing)


@router.get("/reading/device/name/{name}/resourceName/{resource}/start/{start}/end/{end}")
async def readings_of_device_resource_between(
    name: Name, resource: Name, start: str, end: str, parts: House, listing: ListedReadings
) -> Response:
    """Readings of one resource of one device in a span of time."""
    first, last = _span(start, end)
    return await readings(parts, Selection(device=name, resource=resource, start=first, end=last), listing)


@router.get("/reading/device/name/{name}/start/{start}/end/{end}")
async def readings_of_device_between(
    request: Request, name: Name, start: str, end: str, parts: House, listing: ListedReadings
) -> Response:
    """Readings of one device in a span of time, of all resources or those of a body `{"resourceNames": [...]}`."""
    first, last = _span(start, end)
    only = _resource_names(await request.body())
    return await readings(parts, Selection(device=name, start=first, end=last), listing, only)


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
