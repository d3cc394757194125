"""Listening: uvicorn inside our loop, started and stopped by us, without signal handlers or an access log."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.api.settings import ApiSettings
from gateway.model.errors import ConfigError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Server

    from gateway.api.parts import Parts

EDGEX_PORTS = {
    "core-data": 59880,
    "core-metadata": 59881,
    "core-command": 59882,
    "device-virtual": 59900,
    "device-modbus": 59901,
    "device-opcua": 59997,
}
"""Where EdgeX's services listen. A device service that EdgeX does not have is on the common port only."""
GRACE_SECONDS = 3
"""How long requests in progress may take when the gateway stops."""
KEEP_ALIVE_SECONDS = 15
MAX_CONNECTIONS = 256
"""More are answered 503, so that a flood costs polling nothing."""


@dataclass(slots=True)
class Listener:
    """One open port and what answers on it."""

    service: str
    """`gateway` for everything together, else the EdgeX service."""
    app: "FastAPI"
    socket: socket.socket

    @property
    def address(self) -> str:
        """`127.0.0.1:8080`."""
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def port(self) -> int:
        """The bound one, also when port 0 was asked for."""
        return int(self.socket.getsockname()[1])


def listen(parts: "Parts", settings: ApiSettings) -> list[Listener]:
    """Builds the applications and opens their ports; the first is the common one. Raises ConfigError when a port is
    taken or the token cannot be read; then nothing stays open."""
    from gateway.api.app import create_app, create_service_app
    from gateway.api.border import Token

    token = Token(settings.token_file) if settings.token_file else None
    with contextlib.ExitStack() as opened:
        common = opened.enter_context(_bind(settings.host, settings.port))
        listeners = [Listener("gateway", create_app(parts, token), common)]
        for service, port in _own_ports(parts, settings):
            own = opened.enter_context(_bind(settings.host, port))
            listeners.append(Listener(service, create_service_app(parts, service, token), own))
        opened.pop_all()
    ports = {listener.service: listener.port for listener in listeners[1:]}
    for listener in listeners:
        listener.app.state.ports = ports
    return listeners


def _own_ports(parts: "Parts", settings: ApiSettings) -> Iterator[tuple[str, int]]:
    from gateway.api.common import all_services

    if settings.edgex_ports:
        yield from ((s, EDGEX_PORTS[s]) for s in all_services(parts) if s in EDGEX_PORTS)


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family, backlog=128)
    except OSError as error:
        raise ConfigError(f"api.listen: {host}:{port} cannot be opened: {error.strerror or error}") from error


async def serve(listeners: Sequence[Listener]) -> None:
    """Answers until cancelled; then lets requests in progress end and closes the ports."""
    servers = [_server(listener.app) for listener in listeners]
    running = [
        asyncio.create_task(server.serve([listener.socket]), name=f"rest {listener.address}")
        for server, listener in zip(servers, listeners, strict=True)
    ]
    try:
        # wait, unlike gather, leaves the servers running when we are cancelled: they end in their own way below
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.wait(running)
        for listener in listeners:
            listener.socket.close()
    for task in running:
        task.result()


def _server(app: "FastAPI") -> "Server":
    from uvicorn import Config

    from gateway.api.listening import Protocol, Server

    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # it tells of every port that it started
    return Server(
        Config(
            app,
            http=Protocol,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            limit_concurrency=MAX_CONNECTIONS,
        )
    )
