"""Devices that go away and come back: as the server of the other benches, with doors that close.

Reads commands from standard input: `flap N S` (the first N change between there and away, each for half of S seconds,
spread over them), `steady`, `off`, `on`; prints how often devices have gone away after each."""

import argparse
import asyncio
import itertools
import sys
from collections.abc import Callable, Iterator

from tests.bench.server import Device

FIRST_PORT = 20_000
"""Below the ports that outgoing connections get: else a gateway that asks for a closed one may reach itself."""
LAST_PORT = 32_000


class Door:
    """One device: reachable or not. What it answered before is not forgotten."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.closed = 0
        """How often it went away."""
        self._registers = bytearray(b"".join(i.to_bytes(2, "big") for i in range(100)))
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    async def open(self) -> None:
        """Raises OSError: the port is taken."""
        if self._server is None:
            make: Callable[[], asyncio.Protocol] = lambda: Guest(self._registers, self._open)  # noqa: E731
            self._server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", self.port, backlog=5)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self.closed += 1
            for transport in list(self._open):
                transport.abort()


class Guest(Device):
    """A connection that is known to its door."""

    def __init__(self, registers: bytearray, all_: set[asyncio.Transport]) -> None:
        super().__init__(registers, 0.0)
        self._all = all_

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self._transport is not None
        self._all.add(self._transport)

    def connection_lost(self, _: Exception | None) -> None:
        assert self._transport is not None
        self._all.discard(self._transport)


async def doors(count: int) -> list[Door]:
    found: list[Door] = []
    ports: Iterator[int] = itertools.islice(itertools.count(FIRST_PORT), LAST_PORT - FIRST_PORT)
    while len(found) < count:
        door = Door(next(ports))
        try:
            await door.open()
        except OSError:
            continue
        found.append(door)
    return found


async def flap(door: Door, half: float, begin: float) -> None:
    await asyncio.sleep(begin)
    try:
        while True:
            door.close()
            await asyncio.sleep(half)
            await door.open()
            await asyncio.sleep(half)
    finally:
        await door.open()


async def serve(count: int) -> None:
    all_ = await doors(count)
    print(*(door.port for door in all_), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    flapping: list[asyncio.Task[None]] = []
    while line := (await reader.readline()).split():
        for task in flapping:
            task.cancel()
        await asyncio.gather(*flapping, return_exceptions=True)
        flapping = []
        if line[0] == b"flap":
            some, half = int(line[1]), float(line[2]) / 2
            begins = [2 * half * number / some for number in range(some)]
            flapping = [asyncio.create_task(flap(d, half, b)) for d, b in zip(all_[:some], begins, strict=True)]
        for door in all_:
            if line[0] == b"off":
                door.close()
            elif line[0] == b"on":
                await door.open()
        print(sum(door.closed for door in all_), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("devices", type=int)
    import uvloop

    uvloop.run(serve(parser.parse_args().devices))


if __name__ == "__main__":
    main()
