"""`/gateway/api/v1/deadletters` and `/exports`: what was refused for good, and stretches of time sent out of turn."""

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from gateway.api.bodies import read_json
from gateway.api.envelope import EdgexError, GoResponse
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.model.edgexjson import event_json
from gateway.model.errors import ConfigError, NotConnected
from gateway.model.letter import Letter
from gateway.model.reading import Event, Record
from gateway.runtime.exports import Exports, Job

router = APIRouter()
Exporter = Annotated[str, Query(description="Only of this exporter, named as in gateway.yaml")]


def _exports(parts: Parts) -> Exports:
    if parts.exports is None:
        raise EdgexError(503, "exports are not running")
    return parts.exports


@router.get("/deadletters")
async def deadletters(
    parts: House,
    exporter: Exporter = "",
    after: Annotated[int, Query(ge=0, description="Only numbers above this, for the next page")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most so many")] = 100,
) -> GoResponse:
    """Records that an exporter's other side refused for good, oldest first, each with the reason; `total`: of all
    pages."""
    exports = _exports(parts)
    found, total = await exports.letters.find(_consumer(exports, exporter), after, limit)
    return GoResponse({"total": total, "letters": [_letter(one) for one in found]})


@router.post("/deadletters/retry")
async def retry(request: Request, parts: House) -> GoResponse:
    """Sends dead letters again: `{exporter}` or `{numbers: [1, 2]}`. Those that are taken are forgotten, the others
    are in `refused` with the new reason. 503 while the exporter is not connected."""
    exports = _exports(parts)
    try:
        done = await exports.retry(await _picked(request, exports))
    except NotConnected as error:
        raise EdgexError(503, f"the exporter is not connected: {error}") from None
    return GoResponse({"sent": done.sent, "refused": [{"number": n, "why": why} for n, why in done.refused.items()]})


@router.post("/deadletters/drop")
async def drop(request: Request, parts: House) -> GoResponse:
    """Forgets dead letters: `{exporter}` or `{numbers: [1, 2]}`."""
    exports = _exports(parts)
    return GoResponse({"dropped": await exports.letters.drop(await _picked(request, exports))})


async def _picked(request: Request, exports: Exports) -> list[int]:
    body = await read_json(request)
    if not isinstance(body, dict) or body.keys() - {"exporter", "numbers"} or not body:
        raise EdgexError(400, "expected an object with exporter or numbers")
    numbers, name = body.get("numbers", []), body.get("exporter", "")
    if not isinstance(numbers, list) or not all(type(one) is int and 0 < one < 2**63 for one in numbers):
        raise EdgexError(400, "numbers must be a list of whole numbers, as GET /deadletters shows them")
    if not isinstance(name, str) or bool(name) == bool(numbers):
        raise EdgexError(400, "give either exporter, the name of one, or numbers, of at least one letter")
    return await exports.pick(_consumer(exports, name), numbers)


def _consumer(exports: Exports, name: str) -> str:
    """Letters outlive their exporter's entry in gateway.yaml: one that is unknown now is looked for by its name."""
    if not name:
        return ""
    try:
        return exports.consumer(name)
    except ConfigError:
        if any(exports.letters.ever(one) for one in (f"export-{name}", name)):
            return f"export-{name}" if exports.letters.ever(f"export-{name}") else name
        raise EdgexError(404, f"there is no exporter {name}") from None


def _letter(letter: Letter) -> dict[str, Any]:
    return {
        "number": letter.number,
        "exporter": letter.consumer.removeprefix("export-"),
        "at": letter.at,
        "why": letter.why,
        "record": _record(letter.record),
    }


def _record(record: Record) -> dict[str, Any]:
    if isinstance(record, Event):
        return event_json(record)
    keys = ("kind", "device", "name", "origin", "body")
    return {key: getattr(record, key) for key in keys}


@router.post("/exports")
async def export(request: Request, parts: House) -> GoResponse:
    """Has an exporter sent again what was read in a stretch of time: `{exporter, start, end}`, ns UTC, `end` not
    included; from the history, where one is kept, what the journal has no more. The same again shows the job there is,
    and lets one that was stopped go on."""
    exports = _exports(parts)
    body = await read_json(request)
    if not isinstance(body, dict) or body.keys() - {"exporter", "start", "end"}:
        raise EdgexError(400, "expected an object with exporter, start and end")
    name, start, end = body.get("exporter"), body.get("start", 0), body.get("end", 2**63 - 1)
    if not isinstance(name, str) or not name:
        raise EdgexError(400, "exporter must be the name of an exporter")
    if type(start) is not int or type(end) is not int or not 0 <= start < end < 2**63:
        raise EdgexError(400, "start and end must be whole numbers, ns UTC, and start before end")
    try:
        return GoResponse(_job(await exports.send(name, start, end)), status_code=202)
    except ConfigError as error:
        raise EdgexError(404, str(error)) from None


@router.get("/exports")
async def exports(parts: House) -> GoResponse:
    """Jobs of the last week: how far each has come, 0 to 1."""
    return GoResponse({"exports": [_job(job) for job in _exports(parts).jobs]})


@router.get("/exports/{identity}")
async def export_job(identity: Name, parts: House) -> GoResponse:
    """One job."""
    return GoResponse(_job(_find(_exports(parts), identity)))


@router.delete("/exports/{identity}")
async def stop(identity: Name, parts: House) -> GoResponse:
    """Stops a job; the same asked for again goes on where it was."""
    found = _exports(parts)
    return GoResponse(_job(await found.stop(_find(found, identity).id)))


def _find(found: Exports, identity: str) -> Job:
    for job in found.jobs:
        if job.id == identity:
            return job
    raise EdgexError(404, f"there is no export {identity}")


def _job(job: Job) -> dict[str, Any]:
    shown = dataclasses.asdict(job)
    return shown | {"exporter": job.consumer.removeprefix("export-"), "progress": round(job.progress, 4)}
