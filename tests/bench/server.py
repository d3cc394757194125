"""Answers FC3/FC4 reads on many TCP ports as cheaply as Python can, so that the server is never what is measured.

Every answer carries a counter in its first register and the register's own address elsewhere. FC6 and FC16 are echoed
and kept, so that a write can be read back. With a delay every answer waits that long, one at a time per connection.
"""

import argparse
import asyncio
import struct
from typing import cast

HEADER = struct.Struct(">HHHBBHH")


class Device(asyncio.Protocol):
    """One connection to one simulated device."""

    def __init__(self, registers: bytearray, delay: float) -> None:
        self._registers = registers
        self._delay = delay
        self._queue: list[bytes] = []
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class has the same methods

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 6:
            end = 6 + int.from_bytes(self._buffer[4:6], "big")
            if len(self._buffer) < end:
                return
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            self._respond(self._answer(frame))

    def _respond(self, answer: bytes) -> None:
        assert self._transport is not None
        if not self._delay:
            self._transport.write(answer)
            return
        self._queue.append(answer)
        if len(self._queue) == 1:
            asyncio.get_running_loop().call_later(self._delay, self._release)

    def _release(self) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        self._transport.write(self._queue.pop(0))
        if self._queue:
            asyncio.get_running_loop().call_later(self._delay, self._release)

    def _answer(self, frame: bytes) -> bytes:
        transaction, _, _, unit, function, address, count = HEADER.unpack_from(frame)
        if function in (3, 4):
            self._registers[0:2] = ((int.from_bytes(self._registers[0:2], "big") + 1) & 0xFFFF).to_bytes(2, "big")
            data = bytes(self._registers[2 * address : 2 * (address + count)])
            return struct.pack(">HHHBBB", transaction, 0, 3 + len(data), unit, function, len(data)) + data
        if function == 6:
            self._registers[2 * address : 2 * address + 2] = frame[10:12]
            return frame
        if function == 16:
            self._registers[2 * address : 2 * (address + count)] = frame[13 : 13 + 2 * count]
            return struct.pack(">HHHBBHH", transaction, 0, 6, unit, function, address, count)
        return struct.pack(">HHHBBB", transaction, 0, 3, unit, function | 0x80, 1)


async def serve(ports: int, delay: float) -> None:
    """Listens on `ports` free ports of 127.0.0.1 and prints them on one line."""
    loop = asyncio.get_running_loop()
    numbers = []
    for _ in range(ports):
        registers = bytearray(b"".join(i.to_bytes(2, "big") for i in range(1000)))
        server = await loop.create_server(lambda r=registers: Device(r, delay), "127.0.0.1", 0)
        numbers.append(server.sockets[0].getsockname()[1])
    print(*numbers, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("ports", type=int)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    import uvloop

    uvloop.run(serve(options.ports, options.delay))


if __name__ == "__main__":
    main()
