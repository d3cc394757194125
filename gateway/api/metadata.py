"""core-metadata: profiles, devices, device services."""

from typing import Any

from fastapi import APIRouter, Request

from gateway.api import devices, profiles
from gateway.api.common import address_of
from gateway.api.envelope import EdgexError, GoResponse, reply
from gateway.api.paging import Labels, Paged
from gateway.api.parts import House
from gateway.api.paths import Name
from gateway.model.ids import object_id

router = APIRouter()
router.include_router(profiles.router)
router.include_router(devices.router)


def _service_json(request: Request, name: str) -> dict[str, Any]:
    return {
        "id": object_id("service", name),
        "name": name,
        "baseAddress": address_of(request, name),
        "adminState": "UNLOCKED",
        "properties": {},
    }


@router.get("/deviceservice/all")
async def all_device_services(request: Request, parts: House, page: Paged, labels: Labels = "") -> GoResponse:
    """The device services that this gateway hosts: one per mapper. None of them has labels."""
    names = [] if labels.strip(", ") else list(parts.protocols.services())
    return reply(totalCount=len(names), services=[_service_json(request, n) for n in page.of(names)])


@router.get("/deviceservice/name/{name}")
async def device_service_by_name(request: Request, name: Name, parts: House) -> GoResponse:
    """One device service."""
    if name not in parts.protocols.services():
        raise EdgexError(404, f"device service {name} not found")
    return reply(service=_service_json(request, name))
