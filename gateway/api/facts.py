"""`/gateway/api/v1/facts`: what was learned about devices, what to write down of it, and forgetting it."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from gateway.api.devices import find_device
from gateway.api.envelope import EdgexError, GoResponse
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.model.plan import PlannedDevice

router = APIRouter()


@router.get("/facts")
async def facts(parts: House) -> GoResponse:
    """What was learned about every device of which something is known."""
    return GoResponse({"devices": [_facts(parts, one) for one in parts.registry.planned.values() if one.facts]})


@router.get("/facts/{name}")
async def facts_of(name: Name, parts: House) -> GoResponse:
    """What was learned about one device, and what its files may say so that it need not be learned again."""
    return GoResponse(_facts(parts, _planned(parts, name)))


@router.delete("/facts/{name}")
async def forget(name: Name, parts: House) -> Response:
    """Forgets what was learned: the device is asked as its files say, and learned anew."""
    _planned(parts, name)
    await parts.registry.learned(name, {})
    return Response(status_code=204)


def _planned(parts: Parts, name: str) -> PlannedDevice:
    planned = parts.registry.planned.get(name)
    if planned is None:
        find_device(parts.registry.current, name)
        raise EdgexError(404, f"device {name} has no profile, so there is nothing to learn about it")
    return planned


def _facts(parts: Parts, planned: PlannedDevice) -> dict[str, Any]:
    protocol = parts.protocols.by_service(planned.connection.service)
    return {"device": planned.device.name, "facts": dict(planned.facts), "advice": protocol.advice(planned)}
