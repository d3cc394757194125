"""What every EdgeX service answers: ping, version, config; and which service a request has reached."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.api.envelope import DeviceServiceResponse, EdgexError, GoResponse
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.model.edgexjson import API_VERSION

router = APIRouter()
CORE_SERVICES = ("core-data", "core-metadata", "core-command")
GATEWAY = "gateway"


def serving(service: str) -> Callable[[Request], None]:
    """A dependency that says which service a router is mounted for."""

    def set_service(request: Request) -> None:
        request.state.service = service

    return set_service


def serving_device_service(request: Request, service: Name, parts: House) -> None:
    """The device service named by the first level of the path. Raises EdgexError(404)."""
    if service not in parts.protocols.services():
        raise EdgexError(404, f"there is no service {service}; there are {', '.join(all_services(parts))}")
    request.state.service = service


def served_by(request: Request) -> str:
    """The service a request has reached; empty when it has reached none."""
    return str(getattr(request.state, "service", ""))


def all_services(parts: Parts) -> list[str]:
    return [*CORE_SERVICES, *parts.protocols.services()]


def address_of(request: Request, service: str) -> str:
    """Base address of a service as the caller can reach it: its own port, else its folder on the common one."""
    own: dict[str, int] = request.app.state.ports
    if service in own:
        return f"{request.url.scheme}://{_host(request)}:{own[service]}"
    return f"{str(request.base_url).rstrip('/')}/{service}"


def _host(request: Request) -> str:
    host = request.url.hostname or "localhost"
    return f"[{host}]" if ":" in host else host


def is_core(request: Request) -> bool:
    return served_by(request) in CORE_SERVICES


def _answer(request: Request, behind: Mapping[str, str] | None = None, **content: Any) -> Response:
    body = {"apiVersion": API_VERSION, **content, "serviceName": served_by(request), **(behind or {})}
    return GoResponse(body) if is_core(request) else DeviceServiceResponse(body)


@router.get("/ping")
async def ping(request: Request, parts: House) -> Response:
    """The service is there. Never asks for a token."""
    return _answer(request, timestamp=unix_date(parts.clock.now()))


def unix_date(ns: int) -> str:
    """Go's UnixDate, UTC: `Sun Nov  2 03:04:05 UTC 2025`; English whatever the locale."""
    at = datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    day, month = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][at.weekday()], _MONTHS[at.month - 1]
    return f"{day} {month} {at.day:2d} {at:%H:%M:%S} UTC {at.year}"


_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@router.get("/version")
async def version(request: Request, parts: House) -> Response:
    """Version of the gateway; a device service names it as its SDK's, too."""
    sdk = {} if is_core(request) else {"sdk_version": parts.version}
    return _answer(request, sdk, version=parts.version)


@router.get("/config")
async def config(request: Request, parts: House) -> Response:
    """Settings in force; secrets are names of files, never their content."""
    return _answer(request, config=dict(parts.settings()))
