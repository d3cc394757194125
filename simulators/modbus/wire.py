"""Simulated devices on the wire: Modbus TCP ports and RTU lines over ptys, many in one process.

pymodbus frames (MBAP, CRC); requests are answered by `Unit` straight from bytes. pymodbus's own server is not used: it
makes a task and several objects for every request, answers unknown units with exception 4 and a trace in the log, and
has no way to misbehave on purpose.
"""

import asyncio
import os
import tty
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal, cast

from pymodbus.framer import FramerRTU, FramerSocket

from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError
from simulators.modbus.endpoint import DECODER, Channel, Endpoint


class _Connection(asyncio.Protocol):
    """One TCP client."""

    def __init__(self, port: "TcpPort") -> None:
        self._port = port
        self._channel: Channel | None = None
        self.transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class has the same methods
        framer = FramerRTU(DECODER) if self._port.rtu else FramerSocket(DECODER)
        self._channel = Channel(self._port, framer, self.transport.write, self.transport.abort)
        self._port.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._channel:
            self._channel.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._port.connections.discard(self)
        self.gone.set()
        if self._channel:
            self._channel.close()


class TcpPort(Endpoint):
    """A Modbus TCP server, or with `rtu` RTU frames over TCP."""

    def __init__(
        self,
        clock: Clock,
        port: int = 0,
        host: str = "127.0.0.1",
        unknown: Literal["silence", "exception"] = "silence",
        rtu: bool = False,
    ) -> None:
        """Port 0 is a free one; `port` says which once open."""
        super().__init__(clock, unknown)
        self.host = host
        self.port = port
        self.rtu = rtu
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    async def open(self) -> None:
        """Raises ConfigError when the port is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(partial(_Connection, self), self.host, self.port)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {self.address}: {error.strerror or error}; choose another port"
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        connections = list(self.connections)
        for connection in connections:
            if connection.transport:
                connection.transport.abort()
        await asyncio.gather(*(connection.gone.wait() for connection in connections))
        await server.wait_closed()


class Line(Endpoint):
    """An RTU line: a pty that this process opens. Clients use `path` like a serial port."""

    def __init__(self, clock: Clock, link: str = "") -> None:
        """`link`: a name for the pty in the file system, the same over `close` and `open`."""
        super().__init__(clock)
        self.link = link
        self._pty = ""
        self._master = self._slave = -1
        self._channel: Channel | None = None

    @property
    def path(self) -> str:
        """What clients open; empty while closed."""
        return (self.link or self._pty) if self._pty else ""

    @property
    def address(self) -> str:
        return self.path or self.link or "a serial line"

    async def open(self) -> None:
        """Raises ConfigError if the link's place is taken."""
        self._master, self._slave = os.openpty()  # our slave stays open, so that clients may come and go
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._pty = os.ttyname(self._slave)
        if self.link:
            self._make_link()
        self._channel = Channel(self, FramerRTU(DECODER), self._write, lambda: None)
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    async def close(self) -> None:
        if not self._pty:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        if self._channel:
            self._channel.close()
        self._close_files()
        self._unlink()

    def _close_files(self) -> None:
        os.close(self._master)
        os.close(self._slave)
        self._pty = ""

    def _make_link(self) -> None:
        try:
            self._unlink()
            Path(self.link).symlink_to(self._pty)
        except OSError as error:
            self._close_files()
            raise ConfigError(f"cannot make the link {self.link} to a pty: {error.strerror or error}") from None

    def _unlink(self) -> None:
        if self.link and Path(self.link).is_symlink():
            Path(self.link).unlink()

    def _readable(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._master, 4096)
            if data and self._channel:
                self._channel.feed(data)

    def _write(self, frame: bytes) -> None:
        with suppress(BlockingIOError):  # nobody reads: a line forgets, too
            os.write(self._master, frame)
