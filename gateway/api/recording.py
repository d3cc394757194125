"""`/gateway/api/v1/recording`: what goes over one connection, as it happens."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from gateway.api.parts import House
from gateway.api.paths import Name
from gateway.model.recording import MOST_SECONDS

router = APIRouter()
Seconds = Annotated[float, Query(gt=0, le=MOST_SECONDS, description="How long")]


@router.get("/recording/{name}", response_class=StreamingResponse)
async def record(name: Name, parts: House, seconds: Seconds = 60.0) -> StreamingResponse:
    """Frames of the connection a device is on, or of the connection of that name, both ways, as they go over the wire:
    JSON Lines as `southgate record` keeps them. Ends with `seconds`, at 16 MiB, when the devices of the connection are
    changed, or when the caller hangs up. One at a time of a connection (409), four in all (429); none of OPC UA
    (405)."""
    return StreamingResponse(parts.recordings.of(name, seconds).lines(), media_type="application/x-ndjson")
