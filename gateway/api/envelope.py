"""EdgeX's JSON on the wire: envelopes and errors."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from gateway.model.edgexjson import API_VERSION
from gateway.model.errors import CommandRejected, ConfigError, GatewayError, Problem, QuestionRefused, StoreFailed
from gateway.model.gojson import go_json

MAX_RESULTS = 1024
"""EdgeX's MaxResultCount."""


class EdgexError(GatewayError):
    """An answer that is an error. `chain` goes from the first level to the cause: core services show the first level
    only, device services all of it."""

    def __init__(self, status: int, *chain: str) -> None:
        self.status = status
        self.chain = chain
        self.problems: Sequence[Problem] = ()
        """What is wrong in a file, place by place, where the message is not allowed to say it."""
        super().__init__(" -> ".join(chain))


class GoResponse(Response):
    """Any JSON-able body, ended with a newline as core services do."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return go_json(content) + b"\n"


class DeviceServiceResponse(Response):
    """Any JSON-able body, without the newline."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return go_json(content)


def base(status: int, *, request_id: str = "", message: str = "", **more: Any) -> dict[str, Any]:
    """The base response, in EdgeX's order of fields, with what belongs to this answer behind it."""
    body: dict[str, Any] = {"apiVersion": API_VERSION}
    if request_id:
        body["requestId"] = request_id
    if message:
        body["message"] = message
    return {**body, "statusCode": status, **more}


def reply(status: int = 200, **more: Any) -> GoResponse:
    """A base response with what belongs to this answer."""
    return GoResponse(base(status, **more), status_code=status)


def as_edgex(error: Exception) -> EdgexError:
    """Our errors with the status that EdgeX's kinds have."""
    match error:
        case EdgexError():
            return error
        case ConfigError():
            return EdgexError(400, str(error))
        case CommandRejected():
            return EdgexError(rejected_status(error.code), str(error))
        case QuestionRefused():
            return EdgexError(error.code, str(error))
        case StoreFailed():
            return EdgexError(500, f"the journal could not be used: {error}")
        case GatewayError():
            return EdgexError(500, str(error))
    raise error


def rejected_status(code: int) -> int:
    """EdgeX knows no 422: a value out of range or of a wrong type is 400."""
    return 400 if code == 422 else code


def explain(error: EdgexError, chained: bool) -> str:
    """The message that leaves: the whole chain, or its first level."""
    return " -> ".join(error.chain) if chained else error.chain[0]
