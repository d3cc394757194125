"""core-data's questions: passed on to whoever answers for the history, or for the journal where none is kept."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from starlette.responses import Response

from gateway.api.asking import pass_on, response
from gateway.api.envelope import EdgexError
from gateway.api.listing import Listing
from gateway.api.parts import Parts
from gateway.model.asking import Answer, Records
from gateway.model.errors import QuestionRefused
from gateway.model.ids import EventId, mark, parse_event_id
from gateway.model.query import Selection


async def events(parts: Parts, selection: Selection, listing: Listing) -> Response:
    """A page of events, the newest first. Raises QuestionRefused(416)."""
    paged = _paged(selection, listing)
    return await pass_on(parts, Records("events", paged, numeric=listing.numeric, tags=_tags(parts, paged)))


async def readings(
    parts: Parts, selection: Selection, listing: Listing, only: frozenset[str] | None = None
) -> Response:
    """A page of readings, the newest first, or their aggregates. `only`: these resources. Raises
    QuestionRefused(416)."""
    names = tuple(sorted(only or ()))
    paged = _paged(selection, listing)
    return await pass_on(parts, Records("readings", paged, names, numeric=listing.numeric, aggregate=listing.aggregate))


async def count(parts: Parts, kind: Literal["events", "readings"], selection: Selection) -> Response:
    """How many there are."""
    return await pass_on(parts, Records(kind, selection, count=True))


async def event(parts: Parts, identity: str, numeric: bool) -> Response:
    """By its id. Raises EdgexError 400 (not a uuid), 404."""
    return response(await _event(parts, identity, numeric))


async def delete_event(parts: Parts, identity: str) -> None:
    """By its id. Raises EdgexError 400, 404."""
    answer = await _event(parts, identity)
    await delete(parts, Selection(event=int(answer.notes["offset"]), limit=-1))


async def delete(parts: Parts, selection: Selection) -> None:
    """From what people can ask for; whoever has not received it yet still does."""
    await parts.store.delete(selection)
    await parts.answers.delete(selection)


def _paged(selection: Selection, listing: Listing) -> Selection:
    return replace(selection, offset=listing.page.offset, limit=listing.page.limit)


def _tags(parts: Parts, selection: Selection) -> Mapping[str, Mapping[str, Any]]:
    """Of the devices that may be in the answer."""
    devices = parts.registry.current.devices
    if selection.device:
        devices = {selection.device: devices[selection.device]} if selection.device in devices else {}
    return {name: device.tags for name, device in devices.items() if device.tags}


async def _event(parts: Parts, identity: str, numeric: bool = False) -> Answer:
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
