"""What goes between the gateway and its keeper: a length (4 bytes, big-endian), then a MessagePack map."""

import asyncio
from typing import Any, BinaryIO

import msgspec

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


def pack(message: dict[str, Any]) -> bytes:
    """A whole frame."""
    body = _encode(message)
    return len(body).to_bytes(4, "big") + body


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message, waiting for it; None at the end."""
    head = stream.read(4)
    body = stream.read(int.from_bytes(head, "big")) if len(head) == 4 else b""
    return _decode(body) if body else None


async def receive(stream: asyncio.StreamReader) -> dict[str, Any]:
    """As `read`. Raises EOFError (asyncio.IncompleteReadError) at the end, ConnectionError, msgspec.MsgspecError."""
    head = await stream.readexactly(4)
    return _decode(await stream.readexactly(int.from_bytes(head, "big")))
