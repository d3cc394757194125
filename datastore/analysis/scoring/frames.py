"""Messages over a pipe: four bytes of length, then msgpack."""

import asyncio
import struct
from typing import Any, BinaryIO

import msgspec

MAX_BYTES = 64 * 2**20
_LENGTH = struct.Struct(">I")


def packed(message: Any) -> bytes:
    """One message with its length."""
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


def read_from(pipe: BinaryIO) -> Any | None:
    """The next message; None at the end."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    return msgspec.msgpack.decode(pipe.read(_LENGTH.unpack(head)[0]))


async def read(stream: asyncio.StreamReader) -> Any:
    """The next message. Raises EOFError at the end, ValueError for what is none."""
    try:
        (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
        if length > MAX_BYTES:
            raise ValueError(f"a message of {length} bytes")
        return msgspec.msgpack.decode(await stream.readexactly(length))
    except asyncio.IncompleteReadError:
        raise EOFError from None
