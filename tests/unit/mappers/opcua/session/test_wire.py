"""What a server sends is measured before it is kept."""

import asyncio
from typing import Any

import pytest
from asyncua.client.ua_client import UASocketState

from mappers.opcua.session.wire import HEADER, MAX_CHUNK, MAX_MESSAGE, NO_SERVER, BoundedSocket


class Transport(asyncio.Transport):
    """Is closed, and that is all."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.fixture
def socket(monkeypatch: pytest.MonkeyPatch) -> Any:
    """With `.chunks`: what went on to the library."""
    made: Any = BoundedSocket(1.0)
    made.connection_made(Transport())
    made.chunks = []
    monkeypatch.setattr(made, "_process_received_data", made.chunks.append)
    return made


def chunk(body: bytes = b"", kind: bytes = b"MSG", final: bytes = b"F", claims: int | None = None) -> bytes:
    size = HEADER + len(body) if claims is None else claims
    return kind + final + size.to_bytes(4, "little") + body


def test_chunks_are_taken_whole_however_they_come(socket: Any) -> None:
    stream = chunk(b"one") + chunk(b"") + chunk(b"three" * 100)
    for at in range(len(stream)):
        socket.data_received(stream[at : at + 1])
    socket.data_received(stream)
    assert socket.chunks == [chunk(b"one"), chunk(b""), chunk(b"three" * 100)] * 2
    assert not socket.transport.closed


@pytest.mark.parametrize("claims", [0, HEADER - 1, MAX_CHUNK + 1, 0xFFFFFFFF])
def test_a_size_that_cannot_be_ends_the_connection_at_once(socket: Any, claims: int) -> None:
    socket.data_received(chunk(claims=claims))
    assert socket.transport.closed
    assert socket.why == f"it sent a chunk of {claims} bytes; {NO_SERVER}"
    assert socket.chunks == []


def test_a_message_that_never_ends_is_cut_off(socket: Any) -> None:
    part = chunk(b"x" * (MAX_CHUNK - HEADER), final=b"C")
    for _ in range(MAX_MESSAGE // MAX_CHUNK):
        socket.data_received(part)
    assert not socket.transport.closed
    socket.data_received(part)
    assert socket.transport.closed
    assert socket.why == "it sent a message of more than 16 MiB"


def test_every_message_is_counted_anew(socket: Any) -> None:
    part = chunk(b"x" * (MAX_CHUNK - HEADER), final=b"C")
    for final in (b"F", b"A"):
        for _ in range(MAX_MESSAGE // MAX_CHUNK - 1):
            socket.data_received(part)
        socket.data_received(chunk(b"end", final=final))
    assert not socket.transport.closed
    assert socket.state is UASocketState.OPEN


async def test_what_is_no_opcua_ends_in_words() -> None:
    made = BoundedSocket(1.0)
    transport = Transport()
    made.connection_made(transport)
    made.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert transport.closed
    assert "is it an OPC UA server?" in made.why
