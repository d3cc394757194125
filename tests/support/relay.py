"""A TCP relay before a broker: can cut, hold back what the broker says, or play a broker that knows only MQTT 3.1.1."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.support.broker import Broker

_REFUSED_VERSION = b"\x20\x02\x00\x01"
_MQTT_5 = b"\x00\x04MQTT\x05"


class Relay:
    """`only_3` refuses MQTT 5 as 3.1.1 brokers do, or, where not `polite`, says nothing at all; while `silent`, nothing
    of the broker comes through."""

    host = "127.0.0.1"

    def __init__(self, port: int, only_3: bool) -> None:
        self.only_3 = only_3
        self.polite = True
        self.silent = False
        self.port = 0
        self.connections = 0
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._meet, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """No longer listens; what is connected stays."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Ends all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        await self.stop()
        self.cut()
        for task in list(self._tasks):
            await asyncio.wait([task])

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):
                await self._carry(reader, writer)
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        if self.only_3 and _MQTT_5 in first[:16]:
            if self.polite:
                writer.write(_REFUSED_VERSION)
                await writer.drain()
            else:
                await reader.read()
            return
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection(self.host, self._target)
        self._writers.add(far_writer)
        far_writer.write(first)
        back = asyncio.create_task(self._pump(far_reader, writer, muted=True))
        try:
            await self._pump(reader, far_writer, muted=False)
        finally:
            far_writer.close()
            self._writers.discard(far_writer)
            await asyncio.wait([back])

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, muted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not (muted and self.silent):
                    writer.write(data)
                    await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def relay(broker: Broker, only_3: bool = False) -> AsyncIterator[Relay]:
    """Before `broker`, on a port of its own."""
    relay = Relay(broker.port, only_3)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()
