"""core-command: what devices can be asked and told, and asking and telling."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from gateway.api.actuate import CommandId, Wanted, read_now, wish, write_now
from gateway.api.common import address_of
from gateway.api.devices import find_device
from gateway.api.envelope import EdgexError, GoResponse, base, explain, reply
from gateway.api.paging import Paged
from gateway.api.parts import House
from gateway.api.paths import Name
from gateway.model.device import Device
from gateway.model.gojson import go_json
from gateway.model.profile import DeviceProfile, DeviceResource, ReadWrite

router = APIRouter(prefix="/device")


@router.get("/all")
async def all_commands(request: Request, parts: House, page: Paged) -> GoResponse:
    """The commands of every device."""
    current = parts.registry.current
    devices = list(current.devices.values())
    url = address_of(request, "core-command")
    listed = [_commands_json(d, current.profiles.get(d.profile_name), url) for d in page.of(devices)]
    return reply(totalCount=len(devices), deviceCoreCommands=listed)


@router.get("/name/{name}")
async def commands_of_device(request: Request, name: Name, parts: House) -> GoResponse:
    """The commands of one device."""
    device = find_device(parts.registry.current, name)
    profile = parts.registry.current.profiles.get(device.profile_name)
    return reply(deviceCoreCommand=_commands_json(device, profile, address_of(request, "core-command")))


def _commands_json(device: Device, profile: DeviceProfile | None, url: str) -> dict[str, Any]:
    """Hidden commands and resources are left out; a command hides the resource of its name."""
    listed: list[dict[str, Any]] = []
    if profile:
        resources = {r.name: r for r in profile.device_resources}
        commands = {c.name for c in profile.device_commands}
        for c in profile.device_commands:
            if not c.is_hidden:
                used = [resources[op.device_resource] for op in c.resource_operations]
                listed.append(_command_json(device, c.name, c.read_write, used, url))
        shown = [r for r in profile.device_resources if not r.is_hidden and r.name not in commands]
        listed += [_command_json(device, r.name, r.properties.read_write, [r], url) for r in shown]
    return {"deviceName": device.name, "profileName": device.profile_name, "coreCommands": listed}


def _command_json(
    device: Device, name: str, read_write: ReadWrite, resources: list[DeviceResource], url: str
) -> dict[str, Any]:
    body: dict[str, Any] = {"name": name}
    if read_write.readable:
        body["get"] = True
    if read_write.writable:
        body["set"] = True
    parameters = [{"resourceName": r.name, "valueType": r.properties.value_type.value} for r in resources]
    path = f"/api/v3/device/name/{quote(device.name, safe='')}/{quote(name, safe='')}"
    return body | {"path": path, "url": url, "parameters": parameters}


def _relayed(error: EdgexError) -> EdgexError:
    """As core-command words what a device service answered."""
    body = go_json(base(error.status, message=explain(error, chained=True))).decode()
    return EdgexError(error.status, f"request failed, status code: {error.status}, err: {body}")


@router.get("/name/{name}/{command}")
async def read_command(name: Name, command: Name, parts: House, wanted: Wanted) -> Response:
    """Reads a deviceCommand, a deviceResource or the resources that a regular expression names, now."""
    find_device(parts.registry.current, name)
    try:
        event = await read_now(parts, name, command, wanted)
    except EdgexError as error:
        raise _relayed(error) from error
    return reply(event=event) if event else Response()


@router.put("/name/{name}/{command}")
async def write_command(
    request: Request, name: Name, command: Name, parts: House, identity: CommandId = ""
) -> GoResponse:
    """Writes a deviceCommand or deviceResource; the body is an object of resource name and value. 200 means that the
    value was read back, 202 that it was sent to a device that never answers."""
    find_device(parts.registry.current, name)
    wished = await wish(request, parts, name, command, identity)
    try:
        answer = await write_now(parts, wished)
    except EdgexError as error:
        raise _relayed(error) from error
    return GoResponse(answer, status_code=answer["statusCode"])
