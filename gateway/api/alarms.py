"""`/gateway/api/v1/alarms`: what is raised, and who has seen it."""

from fastapi import APIRouter, Request

from gateway.api.actuate import actor
from gateway.api.bodies import read_json
from gateway.api.envelope import EdgexError, GoResponse
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.runtime.alarms import Alarms

router = APIRouter()


@router.get("/alarms")
async def alarms(parts: House) -> GoResponse:
    """Everything that is raised, newest first, each with its id, since when, why, and who acknowledged it. An empty
    device: the gateway itself. What was raised and cleared before is in the journal and at the cloud."""
    return GoResponse({"alarms": [one.json() for one in _alarms(parts).all()]})


@router.post("/alarms/{identity}/acknowledge")
async def acknowledge(identity: Name, request: Request, parts: House) -> GoResponse:
    """Somebody has seen it: `{comment}`, which may be left out. The alarm stays raised until what it says is over."""
    body = await read_json(request) if await request.body() else {}
    comment = body.get("comment", "") if isinstance(body, dict) else None
    if not isinstance(comment, str) or len(comment) > 1000:
        raise EdgexError(400, "expected {comment}: a text of at most 1000 characters")
    try:
        found = _alarms(parts).acknowledge(identity, actor(request), comment)
    except KeyError:
        raise EdgexError(404, f"no alarm {identity} is raised") from None
    return GoResponse(found.json())


def _alarms(parts: Parts) -> Alarms:
    if parts.alarms is None:
        raise EdgexError(503, "there are no alarms here")
    return parts.alarms
