"""JSON at the border of the cloud: strict in, safe out.

In: what a cloud sends is refused with a plain reason when it is not exact JSON (`strictjson`), too large or too deep.
Out: integers that a reader of JSON would round (beyond 2^53) leave as text and are listed.
"""

import json
from typing import Annotated, Any, TypeVar

import msgspec

from gateway.model import strictjson
from gateway.model.errors import CommandRejected

MAX_DOCUMENT = 32 * 1024
"""Bytes of a desired or reported document (cloud contract)."""
MAX_COMMAND = 64 * 1024
"""Bytes of a command, read, get or rebirth."""
MAX_LOOK = 1024 * 1024
"""Up to here a refused payload is looked through for the id it wants its refusal under."""
MAX_DEPTH = 10
EXACT = 2**53
"""Integers up to here survive a reader that keeps numbers as doubles."""

Stamp = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class CommandBody(msgspec.Struct):
    """`/d/{d}/cmd/{name}`"""

    id: Id
    args: dict[str, Any] = {}
    expires_at: Stamp | None = None
    if_version: Stamp | None = None


class ReadBody(msgspec.Struct):
    """`/d/{d}/read`"""

    id: Id
    source: Annotated[str, msgspec.Meta(min_length=1)]
    expires_at: Stamp | None = None


class DesiredBody(msgspec.Struct):
    """`/d/{d}/twin/desired`"""

    epoch: Annotated[str, msgspec.Meta(max_length=128)]
    version: Stamp
    properties: dict[str, Any]
    ts: Stamp = 0
    expires_at: Stamp | None = None


class GetBody(msgspec.Struct):
    """`/d/{d}/twin/get`; may be empty."""

    id: str = ""


Body = TypeVar("Body", CommandBody, ReadBody, DesiredBody, GetBody)


def parse(payload: bytes, shape: type[Body], limit: int) -> Body:
    """A payload as `shape`; unknown keys are ignored. Raises CommandRejected: 413 too large or too deep, else 400."""
    if len(payload) > limit:
        raise CommandRejected(413, f"the message has {len(payload)} bytes; at most {limit} are taken")
    try:
        document = strictjson.read(payload, MAX_DEPTH)
    except strictjson.TooDeep as error:
        raise CommandRejected(413, str(error)) from None
    except strictjson.NotJson as error:
        raise CommandRejected(400, f"the message is not JSON: {error}") from None
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise CommandRejected(400, str(error)) from None


def salvage(payload: bytes, key: str, kind: type[str] | type[int]) -> Any:
    """The value of `key` in a payload that was refused, so that the sender hears of it; None when there is none."""
    if len(payload) > MAX_LOOK:
        return None
    try:
        document = json.loads(payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    value = document.get(key) if isinstance(document, dict) else None
    return value if type(value) is kind and isinstance(value, str | int) and fits(value) else None


def fits(value: str | int) -> bool:
    """Whether an id or version is one that the contract knows."""
    if isinstance(value, int):
        return 0 <= value < 2**63
    return 0 < len(value) <= 128 and not _half(value)


def _half(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


# --------------------------------------------------------------------------------------------------------------- out

encode = msgspec.json.Encoder().encode
"""JSON bytes of anything that leaves; NaN and infinities leave as null."""


def exact(value: Any) -> Any:
    """`value`, or a copy with text where it is or holds an integer that a reader of JSON would round; the integers of
    one list stay of one kind."""
    if type(value) is int:
        return value if -EXACT <= value <= EXACT else str(value)
    if isinstance(value, list):
        if any(type(v) is int and not -EXACT <= v <= EXACT for v in value):
            return [str(v) if type(v) is int else exact(v) for v in value]
        inner = [exact(v) for v in value]
        return inner if any(new is not old for new, old in zip(inner, value, strict=True)) else value
    if isinstance(value, dict):
        found = {key: exact(v) for key, v in value.items()}
        return found if any(found[key] is not v for key, v in value.items()) else value
    return value


def exact_values(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The same values, exact, and the names of those that became text."""
    changed = {name: text for name, value in values.items() if (text := exact(value)) is not value}
    return ({**values, **changed} if changed else values), list(changed)
