"""Bodies people send: strict JSON, and one uploaded file.

Definitions may be tens of megabytes, so they are read beside the loop: values and commands do not wait for them.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException

from gateway.api.envelope import EdgexError
from gateway.model import strictjson
from gateway.model.scalar import literal_float

MAX_DEPTH = 64
"""Nesting of JSON; deeper bodies are refused before anybody walks them."""


async def read_json(request: Request) -> Any:
    """The body as JSON. Raises EdgexError 400 (not exact JSON, or too deep), 408, 413."""
    return parse_json(await request.body())


async def read_definitions(request: Request) -> Any:
    """The body as JSON, numbers with their literal text. Raises EdgexError as `read_json`."""
    return await asyncio.to_thread(parse_json, await request.body(), literal_float)


def parse_json(body: bytes, number: Callable[[str], float] = float) -> Any:
    """JSON as `strictjson` reads it. `number` reads what has a point or an exponent: values to be written are plain
    floats, definitions keep their text. Raises EdgexError(400)."""
    try:
        return strictjson.read(body, MAX_DEPTH, number)
    except strictjson.NotJson as error:
        raise EdgexError(400, f"the body is not valid JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class Item:
    """One request of a batch."""

    request_id: str
    content: dict[str, Any]
    """What stands under `device`, `profile`, …"""


async def read_batch(request: Request, key: str) -> list[Item]:
    """EdgeX's array of `{apiVersion, requestId, <key>}`, numbers with their literal text: register 10.10 is not 10.1.
    One bad envelope refuses all of it: EdgexError(400)."""
    body = await read_definitions(request)
    if not isinstance(body, list):
        raise EdgexError(400, f"the body must be a JSON array of {{apiVersion, requestId, {key}}}")
    return list(_items(body, key))


def _items(body: list[Any], key: str) -> Iterator[Item]:
    for position, entry in enumerate(body):
        if not isinstance(entry, dict):
            raise EdgexError(400, f"[{position}]: expected an object with apiVersion, requestId and {key}")
        if not isinstance(member(entry, "apiVersion"), str) or not member(entry, "apiVersion"):
            raise EdgexError(400, f"[{position}]: ApiVersion field is required")
        content = member(entry, key)
        if not isinstance(content, dict):
            raise EdgexError(400, f"[{position}].{key}: expected an object")
        yield Item(_request_id(entry, position), content)


def member(entry: dict[str, Any], key: str) -> Any:
    """A member by name, in any case, as Go reads it; None when it is not there."""
    if key in entry:
        return entry[key]
    return next((v for k, v in entry.items() if k.lower() == key.lower()), None)


def _request_id(entry: dict[str, Any], position: int) -> str:
    given = member(entry, "requestId")
    if given in (None, ""):
        return ""
    try:
        return str(uuid.UUID(given)) and str(given)
    except (ValueError, TypeError, AttributeError):
        raise EdgexError(400, f"[{position}]: RequestId field needs a uuid") from None


async def read_upload(request: Request) -> tuple[bytes, str]:
    """Content and name of the multipart file `file`. The name is for messages only, never a path, and tells JSON from
    YAML. Raises EdgexError 400, 408, 413."""
    await request.body()
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            upload = form.get("file")
            if upload is None or isinstance(upload, str):
                raise EdgexError(400, "missing yaml file")
            name = (upload.filename or "").replace("\\", "/").rpartition("/")[2]
            return await upload.read(), "".join(c if c.isprintable() else "?" for c in name[-100:]) or "upload.yaml"
    except HTTPException as error:
        raise EdgexError(400, f"the body is not a multipart form with a file: {error.detail}") from None
