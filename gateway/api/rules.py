"""`/gateway/api/v1/rules`: what is worked out of readings, and what came of it."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from datastore.analysis.room import RuleRoom
from gateway.api.bodies import read_json
from gateway.api.envelope import EdgexError, GoResponse
from gateway.api.parts import House, Parts
from gateway.api.paths import Name

router = APIRouter()


@router.get("/rules")
async def rules(parts: House) -> GoResponse:
    """Every rule: where it stands (`from`), what it is (`rule`), its `state` (`watching`, `raised`, `idle`: it names
    nothing that is there; `refused`), why, how many resources it watches, and the newest of each."""
    return GoResponse({"rules": _room(parts).report()})


@router.get("/rules/{name}")
async def rule(name: Name, parts: House) -> GoResponse:
    """One rule."""
    return GoResponse(_known(parts, name))


@router.post("/rules")
async def create(request: Request, parts: House) -> GoResponse:
    """Makes a rule, as it would stand in gateway.yaml; it is kept in the data folder. 409: there is one of that name;
    400: it names nothing, or reads what it makes."""
    rule = _rule(await read_json(request))
    if any(one["name"] == rule.name for one in _room(parts).report()):
        _refuse_in_file(parts, rule.name)
        raise EdgexError(409, f"there is a rule {rule.name} already; PUT replaces it")
    await _put(parts, rule)
    return GoResponse(_known(parts, rule.name), status_code=201)


@router.put("/rules/{name}")
async def replace(name: Name, request: Request, parts: House) -> GoResponse:
    """Makes a rule, or another in its place. 409: it stands in gateway.yaml, which only people change."""
    body = await read_json(request)
    if not isinstance(body, dict) or body.setdefault("name", name) != name:
        raise EdgexError(400, f"the body must be a rule named {name}")
    _refuse_in_file(parts, name)
    new = await _put(parts, _rule(body))
    return GoResponse(_known(parts, name), status_code=201 if new else 200)


@router.delete("/rules/{name}")
async def delete(name: Name, parts: House) -> Response:
    """Takes a rule away that was made over REST; its alarms are cleared, its virtual resources are gone. What they were
    stays in the journal."""
    _known(parts, name)
    _refuse_in_file(parts, name)
    await _room(parts).book.remove(name)
    return Response(status_code=204)


def _room(parts: Parts) -> RuleRoom:
    if parts.rules is None:
        raise EdgexError(503, "there are no rules here")
    return parts.rules


def _rule(body: Any) -> Any:
    """Raises ConfigError."""
    from datastore.analysis.loading import rule_of

    return rule_of(body)


async def _put(parts: Parts, rule: Any) -> bool:
    return await _room(parts).book.put(rule)


def _known(parts: Parts, name: str) -> dict[str, Any]:
    """Raises EdgexError(404)."""
    found = next((one for one in _room(parts).report() if one["name"] == name), None)
    if found is None:
        there = ", ".join(one["name"] for one in _room(parts).report()) or "none"
        raise EdgexError(404, f"there is no rule {name}; there are: {there}")
    return found


def _refuse_in_file(parts: Parts, name: str) -> None:
    """Raises EdgexError(409)."""
    found = next((one for one in _room(parts).report() if one["name"] == name), None)
    if found is not None and found["file"]:
        raise EdgexError(409, f"rule {name} stands in {found['file']}; change it there and send SIGHUP")
