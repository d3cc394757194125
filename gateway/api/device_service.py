"""A device service's own routes: read and write its devices. One service per mapper."""

from fastapi import APIRouter, Request, Response

from gateway.api.actuate import CommandId, Wanted, read_now, wish, write_now
from gateway.api.common import served_by
from gateway.api.devices import service_of
from gateway.api.envelope import DeviceServiceResponse, EdgexError, base
from gateway.api.parts import House, Parts
from gateway.api.paths import Name

router = APIRouter(prefix="/device")


def _own(parts: Parts, service: str, device: str) -> None:
    found = parts.registry.current.devices.get(device)
    if found is None or service_of(parts, found) != service:
        raise EdgexError(404, f"device {device} not found")


@router.get("/name/{name}/{command}")
async def read_device(request: Request, name: Name, command: Name, parts: House, wanted: Wanted) -> Response:
    """Reads a deviceCommand, a deviceResource or the resources that a regular expression names, now."""
    _own(parts, served_by(request), name)
    event = await read_now(parts, name, command, wanted)
    return DeviceServiceResponse(base(200, event=event)) if event else Response()


@router.put("/name/{name}/{command}")
async def write_device(request: Request, name: Name, command: Name, parts: House, identity: CommandId = "") -> Response:
    """Writes a deviceCommand or deviceResource; the body is an object of resource name and value. 200 means that the
    value was read back, 202 that it was sent to a device that never answers."""
    _own(parts, served_by(request), name)
    answer = await write_now(parts, await wish(request, parts, name, command, identity))
    return DeviceServiceResponse(answer, status_code=answer["statusCode"])
