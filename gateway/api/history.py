"""`/gateway/api/v1/history`: how much is kept and how long it lasts, and the rules that say what is kept."""

import dataclasses
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from gateway.api.bodies import read_json
from gateway.api.envelope import EdgexError, GoResponse, reply
from gateway.api.parts import House, Parts
from gateway.api.paths import Name

if TYPE_CHECKING:
    from datastore.history.history import History
    from datastore.history.rules import KeepRules, Standing

router = APIRouter()
OFF = "no history is kept; add `history: {}` to gateway.yaml, and install southgate[history]"


@router.get("/history")
async def report(parts: House) -> GoResponse:
    """What the history holds, by tier (`raw`, `minute`, `hour`, `messages`); how far it is behind; and in words how
    long the room for it lasts at the rate of the last hour, and what is written to the disk in a year. 404: there is
    none."""
    return GoResponse(dataclasses.asdict(_history(parts).report()))


@router.get("/history/keep")
async def rules(parts: House) -> GoResponse:
    """The keep rules in the order in which they are tried, where those stand that were not made over REST, and in
    `doubt` why one may not do what was meant: no device fits it, or its condition names what is not read."""
    rules = _rules(parts)
    return GoResponse({"rules": [_shown(one) | {"doubt": rules.doubt(one.rule)} for one in rules.all()]})


@router.put("/history/keep/{name}")
async def put(name: Name, request: Request, parts: House) -> GoResponse:
    """Makes or changes a rule, as under `history.keep` of gateway.yaml; it counts from the next batch on, and before
    those of gateway.yaml. 409: a rule of this name stands in gateway.yaml."""
    from datastore.history.settings import KeepRule

    rules = _rules(parts)
    try:
        rule = KeepRule.model_validate(await read_json(request))
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise EdgexError(400, said) from None
    _changeable(rules, name)
    new = await rules.put(name, rule)
    return reply(201 if new else 200)


@router.delete("/history/keep/{name}")
async def remove(name: Name, parts: House) -> GoResponse:
    """Removes a rule that was made over REST. 409: it stands in gateway.yaml."""
    rules = _rules(parts)
    _changeable(rules, name)
    if not await rules.remove(name):
        raise EdgexError(404, f"there is no rule {name}")
    return reply()


def _history(parts: Parts) -> "History":
    if parts.history is None:
        raise EdgexError(404, OFF)
    return parts.history


def _rules(parts: Parts) -> "KeepRules":
    if parts.keep_rules is None:
        raise EdgexError(404, OFF)
    return parts.keep_rules


def _changeable(rules: "KeepRules", name: str) -> None:
    """Raises EdgexError(409) for a rule of gateway.yaml."""
    where = next((one.where for one in rules.all() if one.name == name), "")
    if where:
        raise EdgexError(409, f"the rule {name} stands in {where}: change it there, then southgate apply (or SIGHUP)")


def _shown(standing: "Standing") -> dict[str, Any]:
    rule = standing.rule.model_dump(mode="json", by_alias=True, exclude={"name"})
    return {"name": standing.name, **rule, "where": standing.where or "REST"}
