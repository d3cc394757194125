"""One read or write of a device, for core-command and for the device services: EdgeX's parameters, bodies, outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request

from gateway.api.bodies import read_json
from gateway.api.envelope import EdgexError, as_edgex, base, rejected_status
from gateway.api.parts import Parts
from gateway.model.command import SENT, Command, CommandResult, Outcome
from gateway.model.edgexjson import event_json
from gateway.model.errors import CommandRejected, GatewayError
from gateway.model.plan import PlannedDevice
from gateway.model.profile import Compat
from gateway.model.reading import Event
from gateway.runtime.twin.flow import in_words

_PushEvent = Annotated[
    str,
    Query(
        alias="ds-pushevent", description="true or false. What is read always goes its way up, so this changes nothing"
    ),
]
_ReturnEvent = Annotated[
    str, Query(alias="ds-returnevent", description="false: answer with an empty body. Else the event")
]
_RegexCommand = Annotated[
    str, Query(alias="ds-regexcmd", description="false: the command is a name, never a regular expression")
]
_Raw = Annotated[
    str, Query(alias="ds-raw", description="true: what the profile changes has what came as its tag `raw`. Not EdgeX's")
]
CommandId = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        description="Id of this write. The same id again within a day gives the first answer and writes nothing",
    ),
]
_DEVICE_SAID_NO = frozenset({"timeout", "refused", "disconnected", "device"})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """EdgeX's `ds-*` parameters of a read, and one of ours."""

    returned: bool
    regex: bool
    raw: bool


def _switches(
    push: _PushEvent = "false", returned: _ReturnEvent = "true", regex: _RegexCommand = "true", raw: _Raw = "false"
) -> _Wanted:
    for key, text in (("pushevent", push), ("returnevent", returned), ("raw", raw)):
        if text not in ("true", "false"):
            raise EdgexError(400, f"invalid query parameter, ds-{key} has to be 'true' or 'false'")
    return _Wanted(returned == "true", regex != "false", raw == "true")


Wanted = Annotated[_Wanted, Depends(_switches)]
"""What a reading route asks for. Raises EdgexError(400)."""


async def read_now(parts: Parts, device: str, name: str, wanted: _Wanted) -> dict[str, Any] | None:
    """Reads from the device: the event's JSON, or None where it is not to be returned. Raises EdgexError with the whole
    chain."""
    event = await _read(parts, device, name, wanted.regex)
    found = parts.registry.current.devices.get(event.source.device)
    return event_json(event, found.tags if found else None, wanted.raw) if wanted.returned else None


async def _read(parts: Parts, device: str, name: str, regex: bool) -> Event:
    try:
        event = await parts.commands.read(device, name, regex)
    except CommandRejected as error:
        raise as_edgex(error) from error
    except GatewayError as error:
        raise EdgexError(500, f"error reading DeviceCommand {name} for {device}", str(error)) from error
    planned = parts.registry.planned.get(event.source.device)
    refusal = _refusal(event, planned.codes if planned else {})
    if refusal:
        raise EdgexError(500, f"error reading DeviceCommand {name} for {device}", refusal)
    return event


def _refusal(event: Event, codes: Mapping[str, str]) -> str:
    """Why nothing at all was read; empty when at least one value came or was only not representable."""
    quality = event.quality or {}
    if any(quality[i].reason not in _DEVICE_SAID_NO if i in quality else True for i in range(len(event.values))):
        return ""
    if not event.values or any(value is not None for value in event.values):
        return ""
    return f"the device gave no value: {in_words(quality[0], codes)}"


async def wish(request: Request, parts: Parts, device: str, name: str, identity: str) -> Command:
    """What a PUT asks for; its body has the values by resource name. Raises EdgexError(400)."""
    args = await _args(request)
    return Command(command_id(identity), device, name, args, actor(request), parts.clock.now())


async def _args(request: Request) -> dict[str, Any]:
    if not await request.body():
        return {}
    try:
        body = await read_json(request)
    except EdgexError as error:
        raise EdgexError(error.status, "failed to parse request body", *error.chain) from error
    if not isinstance(body, dict):
        raise EdgexError(400, "failed to parse request body", "expected a JSON object of resource name and value")
    return body


def command_id(given: str) -> str:
    """The caller's; empty: nobody can repeat it, and the road makes one. Raises EdgexError(400)."""
    if len(given) > 128 or not given.isascii() or not given.isprintable():
        raise EdgexError(400, "Idempotency-Key must be at most 128 printable ASCII characters")
    return given


def actor(request: Request) -> str:
    """Who asked, for the record."""
    return f"rest {request.client.host if request.client else 'local'}"


async def write_now(parts: Parts, command: Command) -> dict[str, Any]:
    """Writes to the device. The base response when EdgeX would say 200, and of 202 when it was sent to where nobody
    answers; else raises EdgexError with the whole chain."""
    planned = parts.registry.planned.get(command.device)
    result = await parts.commands.run(command)
    if result.outcome is Outcome.CONFIRMED or _edgex_takes(parts, planned, result):
        return base(200)
    if result.code == SENT:
        return base(SENT, message=result.error)
    if planned and result.outcome is Outcome.REJECTED and result.code == 400 and _lacks_value(planned, command):
        raise EdgexError(500, result.error)
    raise _unsuccessful(result)


def _edgex_takes(parts: Parts, planned: PlannedDevice | None, result: CommandResult) -> bool:
    quirks = parts.compat is Compat.EDGEX or (planned is not None and planned.profile.compat is Compat.EDGEX)
    return quirks and result.outcome is Outcome.UNCONFIRMED


def _lacks_value(planned: PlannedDevice, command: Command) -> bool:
    """Nobody gives a resource its value, neither the body nor a default: EdgeX calls that a 500. A misspelt name in the
    body is the caller's fault instead."""
    source = planned.sources.get(command.name)
    if source is None or not command.args.keys() <= set(source.names):
        return False
    group = next((c for c in planned.profile.device_commands if c.name == command.name), None)
    defaults = {op.device_resource: op.default_value for op in group.resource_operations} if group else {}
    return any(
        r.name not in command.args and not defaults.get(r.name) and not r.properties.default_value
        for r in source.resources
    )


def _unsuccessful(result: CommandResult) -> EdgexError:
    text = result.error or result.outcome.value
    if result.outcome is Outcome.REJECTED:
        return EdgexError(rejected_status(result.code), text)
    if result.outcome is Outcome.EXPIRED:
        return EdgexError(410, text)
    if result.outcome is Outcome.UNCONFIRMED:
        text = f"written, but not confirmed: wanted {dict(result.wanted)}, read {dict(result.readback)}; {text}"
    return EdgexError(500, f"error writing DeviceCommand {result.name} for {result.device}", text)
