"""The library's client with bounds: what a server sends is measured before it is kept, and nothing here reconnects."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import lru_cache
from typing import Any, cast

from asyncua import Client, ua
from asyncua.client.ua_client import UaClient, UaClientState, UASocketProtocol
from asyncua.client.ua_session import UaSession
from asyncua.common.shortcuts import Shortcuts
from asyncua.observer import Observer

from mappers.opcua.endpoint import PORT

NO_SERVER = f"is it an OPC UA server? Look at the port of Endpoint (OPC UA's own is {PORT})"
MAX_CHUNK = 1 << 20
"""Bytes of a chunk; 64 KiB are usual (Part 6, 7.1.2.3)."""
MAX_MESSAGE = 16 << 20
"""Bytes of a whole message. We tell the server in Hello, and hang up when it sends more all the same."""
HEADER = 8
"""Bytes before a chunk's body: three letters, whether it is the last, its size (Part 6, 7.1.2.2)."""
CONTINUES = ord("C")
KINDS = (b"ACK", b"ERR", b"OPN", b"MSG", b"CLO")
"""Letters that a server's chunks begin with (Part 6, 6.7.2.2 and 7.1.2.2)."""
TOLD = (b"ERR", b"OPN")
"""Those after which the library hangs up and says why."""
SESSION_S = 120.0
"""A server keeps a session that nobody asks anything for so long: many have room for a handful, and one of a gateway
that was killed must not stand in its own way for an hour."""

logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)  # what goes wrong we say ourselves, once and in words
# Thousands of values of a notification have one and the same stamp: it is made, and kept, once.
ua.win_epoch_to_datetime = lru_cache(256)(ua.win_epoch_to_datetime)


class BoundedSocket(UASocketProtocol):
    """Takes whole chunks only, so that a size that is claimed costs nothing, and counts what a message adds up to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held = bytearray()
        self._message = 0
        self.reached = False
        """Somebody took the connection; uvloop makes a protocol before it is known."""
        self.heard = False
        """Something like OPC UA came."""
        self.why = ""
        """Why we hung up, in words; empty: we did not."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self.reached = True

    def data_received(self, data: bytes) -> None:
        self._held += data
        at = 0
        while len(self._held) - at >= HEADER:
            kind = bytes(self._held[at : at + 3])
            size = int.from_bytes(self._held[at + 4 : at + 8], "little")
            if self._is_none(kind) or self._is_too_large(size):
                return
            if len(self._held) - at < size:
                break
            self.heard = True
            super().data_received(bytes(self._held[at : at + size]))
            at += size
            if self.transport is None or self.transport.is_closing():
                if kind not in TOLD:
                    self.why = self.why or "it sent what is not OPC UA, or what was changed on its way"
                break
            self._message = self._message + size if self._held[at - size + 3] == CONTINUES else 0
        del self._held[:at]

    def _is_none(self, kind: bytes) -> bool:
        if kind not in KINDS:
            begins = "".join(c if c.isprintable() else "." for c in bytes(self._held[:20]).decode("latin-1"))
            self._hang_up(f"it sent what is not OPC UA (it begins with {begins!r}); {NO_SERVER}")
        return bool(self.why)

    def _is_too_large(self, size: int) -> bool:
        if not HEADER <= size <= MAX_CHUNK:
            self._hang_up(f"it sent a chunk of {size} bytes; {NO_SERVER}")
        elif self._message + size > MAX_MESSAGE:
            self._hang_up(f"it sent a message of more than {MAX_MESSAGE >> 20} MiB")
        return bool(self.why)

    def _hang_up(self, why: str) -> None:
        self.why = why
        self._held.clear()
        self.disconnect_socket()


class QuietSession(UaSession):
    """Without the library's publish loop: ours ends with whoever waits for it (`subscription.publishing`)."""

    def ensure_publish_loop(self) -> None:
        """Nothing is begun."""


class _BoundedUaClient(UaClient):
    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self.session = QuietSession(self)
        self.socket: BoundedSocket | None = None
        """The last one that there was."""

    def _make_protocol(self) -> UASocketProtocol:
        self.protocol = self.socket = BoundedSocket(self._timeout, security_policy=self.security_policy)
        self.protocol.pre_request_hook = self._pre_request_hook
        self.protocol.on_connection_lost = self._on_transport_lost
        self.protocol.is_session_closing = self._is_session_closing
        return self.protocol


class _Watch(Observer):
    """Says once that the connection is gone."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone

    def observe_request(self, request: Any) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def on_state_change(self, state: UaClientState) -> None:
        if state is UaClientState.DISCONNECTED:
            self._gone()


class BoundedClient(Client):
    """One connection: `security.opening` opens it, `end` closes it."""

    def __init__(self, url: str, timeout: float) -> None:
        """Seconds."""
        super().__init__(url, timeout)
        self.uaclient: _BoundedUaClient = _BoundedUaClient(timeout)
        self.uaclient.pre_request_hook = self.check_connection
        self.nodes = Shortcuts(self.uaclient.session)
        self.max_messagesize = MAX_MESSAGE
        self.session_timeout = round(SESSION_S * 1000)

    @property
    def up(self) -> bool:
        return self.uaclient.state is not UaClientState.DISCONNECTED

    @property
    def why(self) -> str:
        """Why we hung up; empty: we did not."""
        return self.uaclient.socket.why if self.uaclient.socket else ""

    @property
    def reached(self) -> bool:
        """Somebody took the connection."""
        return self.uaclient.socket is not None and self.uaclient.socket.reached

    @property
    def heard(self) -> bool:
        """Something like OPC UA came over it."""
        return self.uaclient.socket is not None and self.uaclient.socket.heard

    def watch(self, gone: Callable[[], None]) -> None:
        """`gone` is called when the connection, which is up, is lost or closed."""
        self.uaclient.observer = _Watch(gone)

    async def end(self) -> None:
        """Says goodbye where somebody listens, and leaves nothing behind. Never raises."""
        try:
            with suppress(Exception):
                await self.close_session()
            with suppress(Exception):
                await self.close_secure_channel()
        finally:
            self.disconnect_socket()
