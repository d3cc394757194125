"""A TCP peer that answers each request with whatever a test says, byte by byte."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from gateway.runtime.clock import SystemClock
from mappers.modbus.line.connection import reach
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import ModbusPlan, plan
from tests.unit.mappers.modbus.build import device, resource, source

Answer = Callable[[bytes], "bytes | list[bytes | float]"]
"""Request frame → bytes to send; of a list, pieces and pauses in seconds."""


def frame(request: bytes, pdu: bytes, transaction: int | None = None, unit: int | None = None) -> bytes:
    """An answer to a request frame."""
    number = int.from_bytes(request[:2]) if transaction is None else transaction
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, request[6] if unit is None else unit) + pdu


def registers(request: bytes, value: int | None = None) -> bytes:
    """A right answer to a read: every register holds its address, or all hold `value`."""
    function, start, count = struct.unpack_from(">BHH", request, 7)
    words = [start + i if value is None else value for i in range(count)]
    return frame(request, struct.pack(f">BB{count}H", function, 2 * count, *words))


class Peer:
    """Serves one connection after another; `answer` may be changed while it runs."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.port = 0
        self.reset = False
        """After the answer the connection is reset."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(6)
                request = head + await reader.readexactly(int.from_bytes(head[4:6]))
                self.requests.append(request)
                answer = self.answer(request)
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    if isinstance(piece, float):
                        await asyncio.sleep(piece)
                    else:
                        writer.write(piece)
                        await writer.drain()
                        await asyncio.sleep(0)
                if self.reset:
                    raw = writer.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def peer(answer: Answer) -> AsyncIterator[Peer]:
    made = Peer(answer)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(made.serve(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def talking(answer: Answer, **properties: Any) -> AsyncIterator[tuple[Peer, ModbusMapper, ModbusPlan]]:
    """A peer, a connected mapper, and a plan of two requests: registers 0 to 2 and 1000."""
    async with peer(answer) as made:
        reached = device(made.port, **{"Timeout": "200ms", **properties})
        mapper = ModbusMapper(reach(reached)[0], SystemClock())
        await mapper.connect()
        resources = [resource(f"r{i}", "Uint16", i) for i in (0, 1, 2, 1000)]
        try:
            yield made, mapper, plan(reached, [source(*resources)], {})
        finally:
            await mapper.close()
