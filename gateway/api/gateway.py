"""`/gateway/api/v1`: what EdgeX lacks. Health, plans, twins, lanes, the journal, commands with their full result."""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gateway.api import devicecsv, lines
from gateway.api.actuate import CommandId, actor, command_id
from gateway.api.bodies import read_definitions, read_json
from gateway.api.devices import find_device
from gateway.api.edits import Step
from gateway.api.envelope import EdgexError, GoResponse
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.api.profiles import find_profile
from gateway.model.command import Command, CommandResult
from gateway.model.configuration import Configuration, Difference
from gateway.model.contracts import Registry
from gateway.model.edgexjson import event_json
from gateway.model.load import device_from_json, profile_from_json
from gateway.model.plan import PlannedDevice, Poll
from gateway.runtime.twin.lastvalues import Row

router = APIRouter()
router.include_router(devicecsv.router)
router.include_router(lines.router)
DryRun = Annotated[bool, Query(description="Only show what would change")]


@router.get("/health")
async def health(parts: House) -> GoResponse:
    """200 while values flow; 503 and what is wrong when values that should come do not. A closed socket alone is
    no illness."""
    found = parts.health()
    body = {"healthy": found.healthy, "problems": list(found.problems), "ts": parts.clock.now()}
    return GoResponse(body, status_code=200 if found.healthy else 503)


@router.get("/live")
async def live(parts: House) -> GoResponse:
    """200 as long as the program answers at all."""
    return GoResponse({"alive": True, "name": parts.name, "version": parts.version})


@router.get("/plan")
async def plans(parts: House) -> GoResponse:
    """What goes over the wire, for every device: requests with their PDU, bytes, time on a serial line."""
    return GoResponse({"devices": [_device_plan(planned) for planned in parts.registry.planned.values()]})


@router.get("/plan/{name}")
async def plan(name: Name, parts: House) -> GoResponse:
    """What goes over the wire for one device."""
    planned = parts.registry.planned.get(name)
    if planned is None:
        find_device(parts.registry.current, name)
        raise EdgexError(404, f"device {name} has no profile, so there is nothing to plan")
    return GoResponse(_device_plan(planned))


def _device_plan(planned: PlannedDevice) -> dict[str, Any]:
    return {
        "device": planned.device.name,
        "profile": planned.profile.name,
        "service": planned.connection.service,
        "connection": planned.connection.key,
        "polls": [_poll_plan(poll) for poll in planned.polls],
        "facts": dict(planned.facts),
    }


def _poll_plan(poll: Poll) -> dict[str, Any]:
    requests = [
        {"text": r.text, "pdu": r.pdu.hex(" "), "sent": r.sent, "received": r.received, "line_s": r.line_s}
        for r in poll.plan.requests
    ]
    return {
        "interval_s": poll.interval,
        "sources": [s.name for s in poll.sources],
        "requests": requests,
        "bytes": sum(r.sent + r.received for r in poll.plan.requests),
        "line_s": sum(r.line_s for r in poll.plan.requests),
    }


@router.get("/twin")
async def twins(parts: House) -> GoResponse:
    """State of every device."""
    return GoResponse({"devices": [_state_json(parts, name) for name in parts.twins.devices()]})


@router.get("/twin/{name}")
async def twin(name: Name, parts: House) -> GoResponse:
    """State, twin document and last values of one device, each with its age and freshness; what is desired of it, and
    what became of each try."""
    find_device(parts.registry.current, name)
    values = {row.resource: _row_json(row) for row in parts.last(name)}
    shown = {"twin": parts.twins.document(name), "desired": parts.commands.desired_of(name), "values": values}
    return GoResponse(_state_json(parts, name) | shown)


def _state_json(parts: Parts, name: str) -> dict[str, Any]:
    state = parts.twins.state(name)
    return {"device": name, "state": state.state.value, "reason": state.reason, "since": state.since}


def _row_json(row: Row) -> dict[str, Any]:
    shown = {f.name: getattr(row, f.name) for f in dataclasses.fields(row) if f.name != "resource"}
    return shown | {"quality": [part for part in row.quality if part]}


@router.get("/lanes")
async def lanes(parts: House) -> GoResponse:
    """Every connection: state, reason, next try, quarantined devices, load."""
    return GoResponse({"lanes": [dataclasses.asdict(lane) for lane in parts.lanes.lanes()]})


@router.get("/flows")
async def flows(parts: House) -> GoResponse:
    """Every poll: what was asked for and what is achieved."""
    return GoResponse({"flows": [dataclasses.asdict(flow) for flow in parts.lanes.flows()]})


@router.get("/journal")
async def journal(parts: House) -> GoResponse:
    """The disk: head, size, what was dropped and why."""
    return GoResponse(dataclasses.asdict(parts.store.report()))


@router.get("/consumers")
async def consumers(parts: House) -> GoResponse:
    """Who is fed from the journal and how far behind."""
    return GoResponse({"consumers": [dataclasses.asdict(report) for report in parts.forwards.report()]})


@router.post("/commands")
async def command(request: Request, parts: House, identity: CommandId = "") -> Response:
    """Runs a command, `{device, name, args, id?, expires_at?, if_version?}`, and answers with its full result; the
    status is the result's code."""
    result = await parts.commands.run(_command(parts, request, await read_json(request), identity))
    return GoResponse(_result_json(result), status_code=200 if 200 <= result.code < 300 else result.code)


def _command(parts: Parts, request: Request, body: Any, identity: str) -> Command:
    if not isinstance(body, dict):
        raise EdgexError(400, "expected an object with device, name and args")
    unknown = body.keys() - {"id", "device", "name", "args", "expires_at", "if_version"}
    if unknown:
        raise EdgexError(400, f"unknown key {min(unknown)}; there are id, device, name, args, expires_at, if_version")
    args = body.get("args", {})
    if not isinstance(args, dict):
        raise EdgexError(400, "args must be an object of resource name and value")
    return Command(
        id=command_id(_text(body, "id") or identity),
        device=_text(body, "device", required=True),
        name=_text(body, "name", required=True),
        args=args,
        actor=actor(request),
        received=parts.clock.now(),
        expires_at=_whole(body, "expires_at"),
        if_version=_whole(body, "if_version"),
    )


def _text(body: dict[str, Any], key: str, required: bool = False) -> str:
    value = body.get(key, "")
    if not isinstance(value, str) or (required and not value):
        raise EdgexError(400, f"{key} must be text" + (", and is required" if required else ""))
    return value


def _whole(body: dict[str, Any], key: str) -> int | None:
    value = body.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63):
        return value
    raise EdgexError(400, f"{key} must be a whole number, at least 0")


def _result_json(result: CommandResult) -> dict[str, Any]:
    shown = {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name != "event"}
    return shown | {"outcome": result.outcome.value, "event": event_json(result.event) if result.event else None}


@router.get("/config")
async def configuration(parts: House) -> GoResponse:
    """Hash of the configuration in force and what is in it."""
    current = parts.registry.current
    return GoResponse(
        {"digest": parts.registry.digest, "profiles": sorted(current.profiles), "devices": sorted(current.devices)}
    )


@router.post("/config/reload")
async def reload(parts: House, dry_run: DryRun = False) -> GoResponse:
    """Reads the files again and applies what changed, all of it or nothing: profiles, devices, and of gateway.yaml the
    rules, keep rules and exporters. What a rule names that is not there is among the `problems`."""
    if parts.again is None:
        return _difference_json(parts.registry, await parts.registry.reload(dry_run), dry_run)
    difference, others = await parts.again(dry_run)
    return _difference_json(parts.registry, difference, dry_run, others)


@router.post("/config/apply")
async def apply(request: Request, parts: House, dry_run: DryRun = False) -> GoResponse:
    """Adds, changes and removes in one step, all of it or nothing:
    `{profiles: [], devices: [], remove_profiles: [], remove_devices: []}`. A device may leave out what it may leave out
    in a file; what is to be removed must be there."""
    step = await asyncio.to_thread(_applying, await read_definitions(request))
    return _difference_json(parts.registry, await parts.registry.change(step, dry_run), dry_run)


def _applying(body: Any) -> Step:
    keys = ("profiles", "devices", "remove_profiles", "remove_devices")
    if not isinstance(body, dict) or body.keys() - set(keys):
        raise EdgexError(400, f"expected an object with {', '.join(keys)}; each may be left out")
    lists = {key: body.get(key, []) for key in keys}
    for key, kind in zip(keys, (dict, dict, str, str), strict=True):
        if not isinstance(lists[key], list) or not all(isinstance(entry, kind) for entry in lists[key]):
            raise EdgexError(400, f"{key} must be a list of {'names' if kind is str else 'objects'}")
    profiles = [profile_from_json(entry) for entry in lists["profiles"]]
    devices = [device_from_json(entry, required=()) for entry in lists["devices"]]

    def step(current: Configuration) -> Configuration:
        for name in lists["remove_devices"]:
            find_device(current, name)
            current = current.without_device(name)
        for name in lists["remove_profiles"]:
            find_profile(current, name)
            current = current.without_profile(name)
        return current.with_profiles(profiles).with_devices(devices)

    return step


def _difference_json(
    registry: Registry,
    difference: Difference,
    dry_run: bool,
    others: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> GoResponse:
    changed = bool(difference or any(others.values()))
    head = {"changed": changed, "dry_run": dry_run, "digest": registry.digest}
    head |= {f"changed_{what}": list(others.get(what, ())) for what in ("rules", "exporters", "keep")}
    return GoResponse({**head, **dataclasses.asdict(difference)})
