"""A relay before an OPC UA server without security that changes what the server says: each message chunk from the
server may be replaced by others, well numbered, or by any bytes.

    async with twisting(url) as twisted:
        twisted.twist = lambda chunk: [chunk.with_body(b"\\xff" * 20)] if chunk.answers("ReadResponse") else [chunk]

Layout of chunks: Part 6, 6.7.2 and 7.1.2.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from asyncua import ua

_HEAD = struct.Struct("<3scI")
_SYMMETRIC = struct.Struct("<IIII")
"""Channel, token, sequence number, request."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A MSG chunk."""

    final: bytes
    """`F` the last of its message, `C` one of several, `A` given up."""
    channel: int
    token: int
    sequence: int
    request: int
    body: bytes

    @classmethod
    def read(cls, frame: bytes) -> "Chunk":
        _, final, _ = _HEAD.unpack_from(frame)
        return cls(final, *_SYMMETRIC.unpack_from(frame, _HEAD.size), frame[_HEAD.size + _SYMMETRIC.size :])

    def frame(self, sequence: int) -> bytes:
        size = _HEAD.size + _SYMMETRIC.size + len(self.body)
        head = _HEAD.pack(b"MSG", self.final, size)
        return head + _SYMMETRIC.pack(self.channel, self.token, sequence, self.request) + self.body

    def answers(self, name: str) -> bool:
        """Whether it is the beginning of a message of this type, such as `ReadResponse`."""
        wanted = getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary")
        return self.body[:4] == struct.pack("<BBH", 1, 0, wanted)

    def with_body(self, body: bytes) -> "Chunk":
        return replace(self, body=body)


Twist = Callable[[Chunk], Iterable[Chunk | bytes]]


class Twisted:
    """`twist` is asked about every message chunk of the server; bytes are sent as they are."""

    def __init__(self, host: str, port: int) -> None:
        self.twist: Twist | None = None
        self.port = 0
        self.connections = 0
        self._target = host, port
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        forth = asyncio.create_task(_forth(reader, far_writer))
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._back(far_reader, writer)
        finally:
            forth.cancel()
            for one in (writer, far_writer):
                one.transport.abort()
            self._tasks.discard(task)

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inserted = 0
        while True:
            head = await reader.readexactly(_HEAD.size)
            kind, _, size = _HEAD.unpack(head)
            frame = head + await reader.readexactly(size - _HEAD.size)
            if kind != b"MSG":
                writer.write(frame)
                continue
            chunk, sent = Chunk.read(frame), 0
            for one in self.twist(chunk) if self.twist else (chunk,):
                if isinstance(one, Chunk):
                    writer.write(one.frame(chunk.sequence + inserted + sent))
                    sent += 1
                else:
                    writer.write(one)
                await writer.drain()
                await asyncio.sleep(0)
            inserted += sent - 1

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forth(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def twisting(host: str, port: int) -> AsyncIterator[Twisted]:
    """Listens on a free port until the end."""
    twisted = Twisted(host, port)
    server = await asyncio.start_server(twisted.meet, "127.0.0.1", 0)
    twisted.port = server.sockets[0].getsockname()[1]
    try:
        yield twisted
    finally:
        server.close()
        await twisted.close()
