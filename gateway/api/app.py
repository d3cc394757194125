"""The application: every EdgeX service in its folder, or one of them on a port of its own."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.api import (
    alarms,
    asking,
    certificates,
    command,
    common,
    data,
    device_service,
    discovery,
    effective,
    exports,
    facts,
    gateway,
    history,
    metadata,
    metrics,
    pages,
    recording,
    rules,
)
from gateway.api.border import MAX_BODY, Border, Token
from gateway.api.common import CORE_SERVICES, GATEWAY, served_by, serving, serving_device_service
from gateway.api.envelope import DeviceServiceResponse, GoResponse, as_edgex, base, explain
from gateway.api.parts import Parts
from gateway.model.errors import ConfigError, GatewayError

CORE: Mapping[str, APIRouter] = {
    "core-data": data.router,
    "core-metadata": metadata.router,
    "core-command": command.router,
}
API = "/api/v3"
DEVICES = "device services"


def create_app(parts: Parts, token: Token | None = None, max_body: int = MAX_BODY) -> FastAPI:
    """Everything on one port, each EdgeX service in the folder where EdgeX's own API gateway has it."""
    app = _bare(parts, token, max_body)
    add_routes(app)
    return app


def add_routes(app: FastAPI) -> None:
    """Every route of the common port."""
    for service, router in CORE.items():
        _mount(app, router, f"/{service}{API}", serving(service))
    mine = (gateway, facts, effective, recording, certificates, exports, rules, alarms, history, asking)
    for own in (*(module.router for module in mine), discovery.own):
        app.include_router(own, prefix="/gateway/api/v1", dependencies=[Depends(serving(GATEWAY))], tags=[GATEWAY])
    app.include_router(metrics.router, tags=[GATEWAY])
    app.include_router(pages.router, tags=[GATEWAY])
    prefix = f"/{{service}}{API}"
    app.include_router(discovery.router, prefix=prefix, dependencies=[Depends(serving_device_service)], tags=[DEVICES])
    _mount(app, device_service.router, prefix, serving_device_service, tag=DEVICES)


def create_service_app(parts: Parts, service: str, token: Token | None = None) -> FastAPI:
    """One EdgeX service alone, at the root of its own port, as EdgeX's services and user interfaces expect it."""
    app = _bare(parts, token, MAX_BODY)
    if service not in CORE:
        app.include_router(discovery.router, prefix=API, dependencies=[Depends(serving(service))])
    _mount(app, CORE.get(service, device_service.router), API, serving(service))
    return app


def _bare(parts: Parts, token: Token | None, max_body: int) -> FastAPI:
    app = FastAPI(
        title="Southgate",
        version=parts.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            GatewayError: _refused,
            RequestValidationError: _invalid,
            HTTPException: _http,
        },
    )
    app.state.parts = parts
    app.state.ports = {}
    app.add_middleware(Border, clock=parts.clock, token=token, max_body=max_body)
    return app


def _mount(app: FastAPI, router: APIRouter, prefix: str, service: Callable[..., None], tag: str = "") -> None:
    for part in (router, common.router):
        app.include_router(part, prefix=prefix, dependencies=[Depends(service)], tags=[tag or prefix.split("/")[1]])


async def _refused(request: Request, error: Exception) -> Response:
    answer = as_edgex(error)
    service = served_by(request)
    body = base(answer.status, message=explain(answer, chained=service not in CORE_SERVICES))
    problems = error.problems if service == GATEWAY and isinstance(error, ConfigError) else answer.problems
    if problems:
        body["problems"] = [
            {"where": p.where, "what": p.what, "file": p.file, "line": p.line, "severity": p.severity} for p in problems
        ]
    kind = GoResponse if service in (*CORE_SERVICES, GATEWAY, "") else DeviceServiceResponse
    return kind(body, status_code=answer.status)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
    return GoResponse(base(400, message=wrong), status_code=400)


async def _http(_: Request, error: Exception) -> Response:
    """Unknown routes and verbs, as EdgeX's web framework words them."""
    assert isinstance(error, HTTPException)
    return GoResponse({"message": error.detail}, status_code=error.status_code, headers=error.headers)
