"""`/gateway/api/v1/certificates`: whom the gateway's protocols believe, and what devices are shown of us."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from gateway.api.envelope import EdgexError, GoResponse
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.model.abilities import Trusts
from gateway.model.certificate import Certificate
from gateway.model.errors import ConfigError
from gateway.runtime.certificates import days_left

router = APIRouter()


@router.get("/certificates")
async def certificates(parts: House) -> GoResponse:
    """Our own certificates, those that are trusted, and those that were refused, with the endpoints that showed them
    and the days that are left; times are ns UTC. What cannot be read is among `problems`."""
    found: list[Certificate] = []
    problems = []
    for protocol in _protocols(parts):
        try:
            found += protocol.certificates()
        except ConfigError as error:
            problems.append(str(error))
    return GoResponse({"certificates": [_shown(parts, one) for one in found], "problems": problems})


@router.get("/certificates/{thumbprint}/file", response_class=FileResponse)
async def file(thumbprint: Name, parts: House) -> FileResponse:
    """One certificate as it is kept (DER, or PEM where somebody put it so): for a server's list of trusted clients."""
    _, found = _find(parts, thumbprint)
    name = f"{found.thumbprint}{Path(found.file).suffix}"
    return FileResponse(found.file, media_type="application/pkix-cert", filename=name)


@router.post("/certificates/{thumbprint}/trust")
async def trust(thumbprint: Name, parts: House) -> GoResponse:
    """Accepts a certificate that was refused, from the next attempt to connect on, which is at most 30 s away. Compare
    the thumbprint with what the server itself shows first."""
    protocol, found = _find(parts, thumbprint)
    return GoResponse(_shown(parts, protocol.trust(found.thumbprint)))


@router.delete("/certificates/{thumbprint}")
async def distrust(thumbprint: Name, parts: House) -> Response:
    """Accepts a certificate no more, from the next attempt to connect on; what is connected stays so."""
    protocol, found = _find(parts, thumbprint)
    protocol.distrust(found.thumbprint)
    return Response(status_code=204)


def _protocols(parts: Parts) -> Iterator[Trusts]:
    for service in parts.protocols.services():
        try:
            protocol = parts.protocols.by_service(service)
        except ConfigError:  # what it needs is not installed
            continue
        if isinstance(protocol, Trusts):
            yield protocol


def _find(parts: Parts, thumbprint: str) -> tuple[Trusts, Certificate]:
    """Raises EdgexError(404)."""
    wanted = "".join(thumbprint.split()).replace(":", "").upper()
    known = [(protocol, one) for protocol in _protocols(parts) for one in protocol.certificates()]
    for protocol, one in known:
        if one.thumbprint == wanted:
            return protocol, one
    there = ", ".join(one.thumbprint for _, one in known) or "none"
    raise EdgexError(404, f"there is no certificate {thumbprint}; there are: {there}")


def _shown(parts: Parts, certificate: Certificate) -> dict[str, Any]:
    return {**dataclasses.asdict(certificate), "days_left": days_left(certificate, parts.clock.now())}
