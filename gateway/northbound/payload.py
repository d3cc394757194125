"""JSON at the border of the cloud: strict in, safe out.

In: what a cloud sends is refused with a plain reason when it is not exact JSON (RFC 8259: UTF-8, no NaN, no number that
becomes infinite), when a key stands twice in one object, or when it is too large or too deep. Out: integers that a
reader of JSON would round (beyond 2^53) leave as text and are listed.
"""

import json
import math
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec

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
    document = strict(payload)
    if depth(document) > MAX_DEPTH:
        raise CommandRejected(413, f"more than {MAX_DEPTH} levels inside one another")
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise CommandRejected(400, str(error)) from None


def strict(payload: bytes) -> Any:
    """Exact JSON. Raises CommandRejected."""
    try:
        return json.loads(
            payload.decode("utf-8"), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant
        )
    except RecursionError:
        raise CommandRejected(413, f"more than {MAX_DEPTH} levels inside one another") from None
    except UnicodeDecodeError:
        raise CommandRejected(400, "the message is not UTF-8") from None
    except ValueError as error:
        raise CommandRejected(400, f"the message is not JSON: {error}") from None


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


def depth(value: Any) -> int:
    """Levels of objects and lists; never recursive."""
    level, found = [value], 0
    while level := [v for v in level if isinstance(v, dict | list)]:
        found += 1
        level = [inner for v in level for inner in (v.values() if isinstance(v, dict) else v)]
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    for key, value in pairs:
        if _half(key) or (isinstance(value, str) and _half(value)):
            raise ValueError("half a surrogate pair in a text")
    return found


def _half(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


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
