"""`/gateway/api/v1/effective`: what a device's profile comes to with the values of the device in it."""

import asyncio

from fastapi import APIRouter

from gateway.api.devices import find_device
from gateway.api.envelope import EdgexError, GoResponse
from gateway.api.parts import House
from gateway.api.paths import Name
from gateway.model.effective import explained

router = APIRouter()


@router.get("/effective/{name}")
async def effective(name: Name, parts: House) -> GoResponse:
    """The plain profile of one device, its parameters, and where every value comes from that is not simply the
    profile's; `yaml` has the same as a file with comments."""
    current = parts.registry.current
    device = find_device(current, name)
    profile = current.profiles.get(device.profile_name)
    if profile is None:
        raise EdgexError(404, f"device {name} has no profile")
    # beside the loop: a profile may have 100,000 resources
    return GoResponse(await asyncio.to_thread(lambda: explained(profile, device).as_json()))
