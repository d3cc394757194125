"""A device service's discovery and profile scans as EdgeX 4.x answers them, and what came of them."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from gateway.api.bodies import member, read_json
from gateway.api.common import served_by
from gateway.api.envelope import DeviceServiceResponse, EdgexError, GoResponse, base
from gateway.api.parts import House
from gateway.api.paths import Name
from gateway.runtime.scanning import Run

router = APIRouter()
own = APIRouter()


def _request_id(request: Request) -> str:
    """EdgeX takes the correlation id for it where there is no body."""
    return str(request.state.correlation)


@router.post("/discovery", status_code=202)
async def discover(request: Request, parts: House) -> Response:
    """Looks for devices at the places that `discovery` in gateway.yaml names for this service (none: 503), in the
    background. What it finds is listed under `/gateway/api/v1/discovered`."""
    parts.scanning.discover(served_by(request), _request_id(request))
    answer = base(202, request_id=_request_id(request), message="Device Discovery is triggered.")
    return DeviceServiceResponse(answer, status_code=202)


@router.delete("/discovery")
async def stop_discovery(request: Request, parts: House) -> Response:
    """Stops looking."""
    parts.scanning.stop_discovery(served_by(request))
    return DeviceServiceResponse(base(200))


@router.delete("/discovery/requestId/{name}")
async def stop_this_discovery(name: Name, request: Request, parts: House) -> Response:
    """Stops looking, if that was begun by the request of this id (else 404)."""
    parts.scanning.stop_discovery(served_by(request), name)
    return DeviceServiceResponse(base(200, request_id=name))


@router.post("/profilescan", status_code=202)
async def scan_profile(request: Request, parts: House) -> Response:
    """Asks a device what it has, in the background, and makes it the device's profile:
    `{deviceName, profileName?, options?}`. Of one device one at a time (409). How far it is:
    `/gateway/api/v1/discovered`."""
    body = await _scan_body(request)
    request_id = body["requestId"] or _request_id(request)
    parts.scanning.scan(served_by(request), body["deviceName"], body["profileName"], body["options"], request_id)
    answer = base(202, request_id=request_id, message="Device ProfileScan is triggered.")
    return DeviceServiceResponse(answer, status_code=202)


@router.delete("/profilescan/device/name/{name}")
async def stop_scan(name: Name, request: Request, parts: House) -> Response:
    """Stops a scan; then nothing is changed."""
    parts.scanning.stop_scan(served_by(request), name)
    return DeviceServiceResponse(base(200))


async def _scan_body(request: Request) -> dict[str, Any]:
    try:
        given = await read_json(request)
    except EdgexError as error:
        raise EdgexError(error.status, "failed to parse request body", *error.chain) from error
    if not isinstance(given, dict):
        raise _unfit("expected an object with deviceName")
    texts = {key: member(given, key) or "" for key in ("deviceName", "profileName", "requestId")}
    options = member(given, "options") or {}
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(options, dict):
        raise _unfit("deviceName, profileName and requestId are text, options is an object")
    if not texts["deviceName"].strip():
        raise _unfit("DeviceName field is required")
    try:
        texts["requestId"] = str(UUID(texts["requestId"])) if texts["requestId"] else ""
    except ValueError:
        raise _unfit("RequestId field needs a uuid") from None
    return {**texts, "options": options}


def _unfit(what: str) -> EdgexError:
    return EdgexError(400, "failed to parse request body", what)


@own.get("/discovered")
async def discovered(parts: House) -> GoResponse:
    """Devices that discoveries have found, and whether they are configured; how far discoveries and profile scans
    are."""
    scanning, current = parts.scanning, parts.registry.current
    configured = {repr(device.protocols): device.name for device in current.devices.values()}
    devices = [
        {
            "service": service,
            "name": device.name,
            "description": device.description,
            "labels": list(device.labels),
            "protocols": device.protocols,
            "device": configured.get(repr(device.protocols)),
        }
        for service, some in scanning.found.items()
        for device in some.values()
    ]
    return GoResponse(
        {
            "devices": devices,
            "discoveries": [_run(run) for run in scanning.discoveries.values()],
            "scans": [_run(run) for run in scanning.scans.values()],
        }
    )


def _run(run: Run) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": run.name, "requestId": run.request, "state": run.state, "reason": run.reason}
    if run.profile:
        shown |= {"profile": run.profile, "progress": run.said(), "notes": list(run.notes)}
    return shown
