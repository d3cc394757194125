"""core-data: events that others bring, up the same road as what is read."""

import asyncio
import base64
import binascii
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request

from datastore.codec import encode
from gateway.api.bodies import MAX_DEPTH, member, parse_json
from gateway.api.envelope import EdgexError, GoResponse, base
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.model.errors import CommandRejected
from gateway.model.ids import event_id
from gateway.model.profile import DeviceResource, ValueType
from gateway.model.query import Selection
from gateway.model.reading import NAN, Event, Quality, Source
from gateway.runtime.transform.values import typed

router = APIRouter()
MAX_EVENT_KB = 25_000
"""EdgeX's MaxEventSize."""
REMEMBERED = 10_000
"""Ids of posted events: one that is sent again, since its answer was lost, is not kept twice."""
LAST = 2**62
"""ns: the year 2116. Days and months beyond the end of 64 bits have no end that can be written."""
NO_VALUE = Quality("bad", "device")
_VALUES = ("value", "binaryValue", "objectValue")


@router.post("/event/{service}/{profile}/{device}/{source}", status_code=201)
async def add_event(
    request: Request, service: Name, profile: Name, device: Name, source: Name, parts: House
) -> GoResponse:
    """Takes an event that somebody else has read, as JSON or CBOR (AddEventRequest): it goes where readings go, to
    twin, journal, rules and cloud; one older than what is known of its device only to journal and cloud. The answer's
    id is the one by which it is found. 404: the device, or its source, is not known; 409: it was posted before."""
    # as large as definitions may be, so it is read beside the loop, too
    body = await asyncio.to_thread(_body, request.headers.get("content-type", ""), await request.body())
    request_id = _envelope(body)
    told = member(body, "event")
    if not isinstance(told, dict):
        raise EdgexError(400, "Event field is required")
    _names(told, {"profileName": profile, "deviceName": device, "sourceName": source})
    found = _source(parts, service, profile, device, source)
    event = _event(told, found)
    try:
        encode(event)
    except (OverflowError, TypeError, ValueError) as error:
        raise EdgexError(400, f"the event cannot be kept: {error}") from None
    identity = await _publish(parts, event, _uuid(told, "id", "Event.Id"))
    return GoResponse(base(201, request_id=request_id, id=identity), status_code=201)


def _body(kind: str, content: bytes) -> dict[str, Any]:
    if len(content) > MAX_EVENT_KB * 1024:
        raise EdgexError(413, f"request size exceed {MAX_EVENT_KB} KB")
    if kind.partition(";")[0].strip().lower() == "application/cbor":
        import cbor2  # few post so

        try:
            body = cbor2.loads(content, max_depth=MAX_DEPTH, strict_hashable_types=True)
        except Exception as error:  # noqa: BLE001  any: tags make fractions, addresses, patterns
            raise EdgexError(400, f"the body is not valid CBOR: {error}") from None
        _check(body, len(content))
    else:
        body = parse_json(content)
    if not isinstance(body, dict):
        raise EdgexError(400, "the body must be an object with apiVersion, requestId and event")
    return body


def _check(body: Any, room: int) -> None:
    """CBOR says more than JSON: keys that are no text, other types, and a few bytes that stand for as many again as one
    likes (shared values). Raises EdgexError(400)."""
    waiting = [body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if not all(isinstance(key, str) for key in one):
                raise EdgexError(400, "the body is not valid CBOR here: a key is no text")
            room -= len(one) + sum(map(len, one))
            inside = list(one.values()) if room >= 0 else []
        elif isinstance(one, list):
            room -= len(one)
            inside = one if room >= 0 else []
        elif isinstance(one, str | bytes):
            room -= len(one)
            inside = []
        elif one is None or isinstance(one, bool | int | float):
            inside = []
        else:
            raise EdgexError(400, f"the body is not valid CBOR here: {type(one).__name__} means nothing")
        if room < 0:
            raise EdgexError(400, "the body is not valid CBOR here: it refers to parts of itself")
        waiting += inside


def _envelope(body: Mapping[str, Any]) -> str:
    """Its requestId."""
    _text(body, "apiVersion", "ApiVersion")
    return _uuid(body, "requestId", "RequestId") if member(dict(body), "requestId") else ""


def _text(of: Mapping[str, Any], key: str, shown: str) -> str:
    value = member(dict(of), key)
    if not isinstance(value, str) or not value.strip():
        raise EdgexError(400, f"{shown} field is required")
    return value


def _uuid(of: Mapping[str, Any], key: str, shown: str) -> str:
    text = _text(of, key, shown)
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise EdgexError(400, f"{shown} field needs a uuid") from None


def _names(event: Mapping[str, Any], path: Mapping[str, str]) -> None:
    for key, wanted in path.items():
        given = _text(event, key, f"Event.{key[0].upper()}{key[1:]}")
        if given != wanted:
            raise EdgexError(400, f"event's {key} {given} mismatches {wanted} in path")


def _source(parts: Parts, service: str, profile: str, device: str, source: str) -> Source:
    planned = parts.registry.planned.get(device)
    if planned is None:
        raise EdgexError(404, f"device {device} not found, or it has no profile")
    if planned.profile.name != profile or planned.connection.service != service:
        has = f"the profile {planned.profile.name} and the service {planned.connection.service}"
        raise EdgexError(409, f"device {device} has {has}, not {profile} and {service}")
    found = planned.sources.get(source)
    if found is None:
        raise EdgexError(404, f"profile {profile} has no command or resource {source}")
    return found


def _event(told: dict[str, Any], source: Source) -> Event:
    origin = _origin(told, "Event")
    readings = member(told, "readings")
    if not isinstance(readings, list) or not readings:
        raise EdgexError(400, "Event.Readings field should greater than 0")
    rows: dict[int, tuple[Any, Quality | None, int]] = {}
    for number, reading in enumerate(readings):
        where = f"Event.Readings[{number}]"
        if not isinstance(reading, dict):
            raise EdgexError(400, f"{where}: expected an object")
        at = _place(reading, source, where)
        if at in rows:
            raise EdgexError(400, f"{where}: {source.names[at]} has a reading already")
        rows[at] = (*_value(reading, source.resources[at], where), _origin(reading, where))
    which = tuple(sorted(rows))
    event = Event(source, origin, [rows[at][0] for at in which], None if which == _all(source) else which)
    told_bad = {n: quality for n, at in enumerate(which) if (quality := rows[at][1])}
    event.quality = told_bad or None
    event.times = {n: rows[at][2] for n, at in enumerate(which) if rows[at][2] != origin} or None
    return event


def _all(source: Source) -> tuple[int, ...]:
    return tuple(range(len(source.resources)))


def _origin(of: dict[str, Any], where: str) -> int:
    origin = member(of, "origin")
    if type(origin) is not int or not 0 < origin < LAST:
        raise EdgexError(400, f"{where}.Origin field is required: ns since 1970")
    return origin


def _place(reading: dict[str, Any], source: Source, where: str) -> int:
    """Of the reading's resource among those of the source."""
    name = _text(reading, "resourceName", f"{where}.ResourceName")
    for key, wanted in (("deviceName", source.device), ("profileName", source.profile)):
        if member(reading, key) not in (None, "", wanted):
            raise EdgexError(400, f"{where}: {key} {member(reading, key)} is not the event's {wanted}")
    if name not in source.names:
        raise EdgexError(400, f"{where}: {source.name} has no resource {name}; there is {', '.join(source.names)}")
    return source.names.index(name)


def _value(reading: dict[str, Any], resource: DeviceResource, where: str) -> tuple[Any, Quality | None]:
    declared = resource.properties.value_type
    text = _text(reading, "valueType", f"{where}.ValueType")
    kind = next((one for one in ValueType if one.value.lower() == text.lower()), None)
    if kind is None or kind not in _may_be(declared):
        raise EdgexError(400, f"{where}: valueType {text} is not that of {resource.name}, {declared.value}")
    given = [value for key in _VALUES if (value := member(reading, key)) is not None]
    if not given:
        if not {key.lower() for key in reading} & {key.lower() for key in _VALUES}:
            raise EdgexError(400, f"{where}: it has no value")
        return None, NO_VALUE
    if kind.is_float and given[0] in ("NaN", "+Inf", "-Inf"):
        return None, NAN
    try:
        return _binary(given[0]) if kind is ValueType.BINARY else typed(kind, given[0]), None
    except (CommandRejected, ValueError) as error:
        raise EdgexError(400, f"{where}: {resource.name}: {error}") from None


def _may_be(declared: ValueType) -> Sequence[ValueType]:
    """EdgeX shows a mapped value, and one that is out of range, as text; we a scaled integer as a fraction."""
    if declared.is_integer:
        return [declared, ValueType.STRING, ValueType.FLOAT64]
    return [declared, ValueType.STRING] if declared.is_float or declared is ValueType.BOOL else [declared]


def _binary(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError):
        raise ValueError("binaryValue must be base64") from None


async def _publish(parts: Parts, event: Event, posted: str) -> str:
    """Its id. Raises EdgexError(409), StoreFailed: it went up, and may not be on the disk."""
    source = event.source
    same = Selection(source.device, source.name, start=event.origin, end=event.origin, limit=0)
    if (await parts.store.events(same))[1] or posted in parts.posted:  # in this order: nothing may come in between
        raise EdgexError(409, f"event {posted} exists already")
    newest = max((row.origin for row in parts.last(source.device)), default=0)
    event = replace(event, historical=event.origin <= newest)
    parts.posted[posted] = None
    while len(parts.posted) > REMEMBERED:
        del parts.posted[next(iter(parts.posted))]
    parts.publish([event])
    await parts.store.commit()
    return event_id(source.device, source.name, event.origin)
