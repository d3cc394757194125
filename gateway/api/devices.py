"""core-metadata: devices."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from gateway.api.bodies import Item, member, read_batch
from gateway.api.edits import Edit, Step, apply_batch
from gateway.api.envelope import EdgexError, GoResponse, as_edgex, reply
from gateway.api.paging import Labels, Page, Paged, labelled
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.model.configuration import Configuration
from gateway.model.device import Device
from gateway.model.errors import ConfigError
from gateway.model.ids import object_id
from gateway.model.load import device_from_json, edgex_json, patch_device

router = APIRouter(prefix="/device")
_PATTERN = frozenset("\\*+?[](){}|^$.")
Switch = Annotated[str, Query(pattern="^(true|false|)$")]


def device_id(device: Device) -> str:
    return device.id or object_id("device", device.name)


def device_json(parts: Parts, device: Device) -> dict[str, Any]:
    """As metadata shows it, with id, times and the service that hosts it, which a file may leave out."""
    created, modified = parts.registry.stamps("device", device.name)
    shown = {"id": device_id(device), "service_name": device.service_name or service_of(parts, device)}
    return edgex_json(device.model_copy(update=shown), created, modified)


def find_device(configuration: Configuration, name: str) -> Device:
    """Raises EdgexError(404)."""
    found = configuration.devices.get(name)
    if found is None:
        raise EdgexError(404, f"device {name} not found")
    return found


def service_of(parts: Parts, device: Device) -> str:
    """The device service that hosts it, by the name or alias it gives, else by its protocol; where nobody does, what
    it gives."""
    try:
        return parts.protocols.of(device).service
    except ConfigError:
        return device.service_name


def _check(parts: Parts, configuration: Configuration, device: Device) -> None:
    """EdgeX's checks before a device is let in, in EdgeX's order. Raises EdgexError(400)."""
    try:
        parts.protocols.of(device)
    except ConfigError as error:
        missing = [f"device service '{device.service_name}' does not exists"] if device.service_name else []
        raise EdgexError(400, *missing, str(error)) from error
    if not device.profile_name:
        return
    profile = configuration.profiles.get(device.profile_name)
    if profile is None:
        raise EdgexError(400, f"device profile '{device.profile_name}' does not exist")
    if device.parent == device.name:
        raise EdgexError(400, "a device cannot be its own parent")
    names = {r.name for r in profile.device_resources} | {c.name for c in profile.device_commands}
    for event in device.auto_events or ():
        # what looks like a regular expression is for the registry to resolve
        if event.source_name not in names and _PATTERN.isdisjoint(event.source_name):
            raise EdgexError(
                400,
                f"auto event source '{event.source_name}' cannot be found in the device profile '{profile.name}'",
            )


def _adding(parts: Parts, device: Device, force: bool) -> Step:
    def step(configuration: Configuration) -> Configuration:
        _check(parts, configuration, device)
        if device.name in configuration.devices and not force:
            raise EdgexError(409, f"device name {device.name} already exists")
        return configuration.with_devices([device])

    return step


def _patching(parts: Parts, item: Item) -> Step:
    def step(configuration: Configuration) -> Configuration:
        found = _patched(configuration, item.content)
        try:
            device = patch_device(found, item.content)
        except ConfigError as error:
            raise as_edgex(error) from error
        _check(parts, configuration, device)
        return configuration.with_devices([device])

    return step


def _patched(configuration: Configuration, content: dict[str, Any]) -> Device:
    identity, name = member(content, "id"), member(content, "name")
    if name is not None:
        found = find_device(configuration, str(name))
        if identity and identity != device_id(found):
            raise EdgexError(400, f"device id '{identity}' not match the existing '{device_id(found)}'")
        return found
    return _by_id(configuration, str(identity or ""))


def _by_id(configuration: Configuration, identity: str) -> Device:
    found = next((d for d in configuration.devices.values() if device_id(d) == identity), None)
    if found is None:
        raise EdgexError(404, f"device id {identity} not found")
    return found


@router.post("", status_code=207)
async def add_devices(
    request: Request,
    parts: House,
    force: Switch = "",
    bypassValidation: Switch = "",  # noqa: ARG001, N803
) -> GoResponse:
    """Adds devices; the body is an array of `{apiVersion, requestId, device}`.

    `force=true` replaces a device of that name. Every device is planned before it is let in, whatever bypassValidation
    says.
    """
    items = await read_batch(request, "device")
    added = await asyncio.to_thread(lambda: [(item.request_id, device_from_json(item.content)) for item in items])
    edits = [Edit(rid, _adding(parts, d, force == "true"), 201, {"id": device_id(d)}) for rid, d in added]
    return await apply_batch(parts.registry, edits)


@router.patch("", status_code=207)
async def patch_devices(request: Request, parts: House, bypassValidation: Switch = "") -> GoResponse:  # noqa: ARG001, N803
    """Changes what is given; absent or null stays as it is, lists and maps are replaced whole."""
    edits = [Edit(item.request_id, _patching(parts, item)) for item in await read_batch(request, "device")]
    return await apply_batch(parts.registry, edits)


@router.get("/all")
async def all_devices(parts: House, page: Paged, labels: Labels = "") -> GoResponse:
    """Every device in force."""
    return _listing(parts, page, list(parts.registry.current.devices.values()), labels)


@router.get("/name/{name}")
async def device_by_name(name: Name, parts: House) -> GoResponse:
    """One device."""
    return reply(device=device_json(parts, find_device(parts.registry.current, name)))


@router.get("/id/{identity}")
async def device_by_id(identity: str, parts: House) -> GoResponse:
    """One device, by its id."""
    return reply(device=device_json(parts, _by_id(parts.registry.current, identity)))


@router.get("/check/name/{name}")
async def check_device(name: Name, parts: House) -> GoResponse:
    """200 when there is such a device, else 404."""
    find_device(parts.registry.current, name)
    return reply()


@router.get("/profile/name/{name}")
async def devices_by_profile(name: Name, parts: House, page: Paged) -> GoResponse:
    """Devices of one profile."""
    return _listing(parts, page, [d for d in parts.registry.current.devices.values() if d.profile_name == name])


@router.get("/service/name/{name}")
async def devices_by_service(name: Name, parts: House, page: Paged) -> GoResponse:
    """Devices of one device service."""
    return _listing(
        parts,
        page,
        [d for d in parts.registry.current.devices.values() if name in (d.service_name, service_of(parts, d))],
    )


def _listing(parts: Parts, page: Page, devices: list[Device], labels: str = "") -> GoResponse:
    found = labelled(devices, labels)
    return reply(totalCount=len(found), devices=[device_json(parts, d) for d in page.of(found)])


@router.delete("/name/{name}")
async def delete_device(name: Name, parts: House) -> GoResponse:
    """Refused with 409 while it is the parent of another device."""

    def step(configuration: Configuration) -> Configuration:
        find_device(configuration, name)
        if any(device.parent == name for device in configuration.devices.values()):
            raise EdgexError(409, "cannot delete device with children")
        return configuration.without_device(name)

    await parts.registry.change(step)
    return reply()
