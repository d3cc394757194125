"""What goes through the pipes: length (4 bytes, big-endian), then MessagePack."""

from typing import Any, BinaryIO

import msgspec

MAX_FRAME = 64_000_000
"""Bytes; nothing we send is as long, so a longer one is no frame."""
TOO_LARGE = 77
"""How a process ends that needed too much memory."""
TOO_MUCH = (
    "the question needs too much memory; ask for a shorter span or larger buckets, or raise history.ask.memory where a "
    "history is kept"
)
INLINE = 262_144
"""Bytes of an answer that come in the frame; a longer one comes as a file, so that whoever takes it slowly holds up
nobody."""


class Request(msgspec.Struct, array_like=True):
    """A question on its way in."""

    number: int
    name: str
    """Of the question's type: `Values`, `Sql`, `Records`."""
    question: Any
    seconds: float
    """It is broken off after as long."""


class Reply(msgspec.Struct, array_like=True):
    """An answer on its way out."""

    number: int
    code: int = 200
    """As HTTP has them; from 400 on `said` tells why."""
    said: str = ""
    media: str = ""
    body: bytes = b""
    path: str = ""
    """File with the body instead; whoever takes it removes it."""
    size: int = 0
    rows: int = 0
    notes: dict[str, str] = {}


def _plain(value: object) -> object:
    """Numbers that keep the text of their file, as tags of devices may be."""
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    return str(value)


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)


def pack(message: Request | Reply) -> bytes:
    """A whole frame."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


def read(stream: BinaryIO) -> bytes:
    """The next frame's content, waiting for it; empty at the end."""
    head = stream.read(4)
    return stream.read(int.from_bytes(head, "big")) if len(head) == 4 else b""
