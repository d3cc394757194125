"""EdgeX's JSON on the wire: envelopes, errors, and Go's way of writing JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.model.errors import CommandRejected, ConfigError, GatewayError, Problem, StoreFailed

API_VERSION = "v3"
MAX_RESULTS = 1024
"""EdgeX's MaxResultCount."""

_ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


class EdgexError(GatewayError):
    """An answer that is an error. `chain` goes from the first level to the cause: core services show the first level
    only, device services all of it."""

    def __init__(self, status: int, *chain: str) -> None:
        self.status = status
        self.chain = chain
        self.problems: Sequence[Problem] = ()
        """What is wrong in a file, place by place, where the message is not allowed to say it."""
        super().__init__(" -> ".join(chain))


def go_json(value: Any) -> bytes:
    """JSON as Go writes it: no blanks, integral floats without `.0`, `<`, `>` and `&` escaped. Raises ValueError for
    NaN and infinities."""
    text = msgspec.json.encode(_plain(value))
    for char, escape in _ESCAPES:
        if char in text:
            text = text.replace(char, escape)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return msgspec.Raw(go_float(value).encode())
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return msgspec.Raw(str(value).encode())
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def go_float(value: float) -> str:
    """Shortest text that reads back; e-form only below 1e-6 and from 1e21."""
    if not math.isfinite(value):
        raise ValueError("NaN and infinities have no JSON")
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    if 1e-6 <= abs(value) < 1e21:
        from decimal import Decimal

        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    digits, _, exponent = repr(value).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"


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
