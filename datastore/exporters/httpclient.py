"""HTTP/1.1 requests over connections that are kept, with the standard library; calls block."""

import contextlib
import http.client
import queue
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from datastore.exporters.bounded import bounded, hang_up
from gateway.model.errors import NotConnected

CONNECT_S = 5.0
LARGEST_ANSWER = 64_000


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: str


class HttpClient:
    """One server; calls may come from several threads. `close` ends those under way."""

    def __init__(self, url: str, timeout_s: float, ca_file: Path | None = None) -> None:
        """Raises NotConnected when the certificate file cannot be used."""
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.netloc}"
        self._host, self._port = parts.hostname or "", parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout_s = timeout_s
        self._tls = _context(ca_file) if parts.scheme == "https" else None
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()
        self._all: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._closed = False

    def reach(self) -> None:
        """Opens a connection and keeps it for the next request. Raises NotConnected."""
        self._idle.put(self._opened())

    def request(self, method: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Redirects are not followed. A kept connection that the server has closed meanwhile is opened again. Raises
        NotConnected."""
        kept = self._kept()
        if kept is not None:
            try:
                return self._exchange(kept, method, body, headers)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                pass
            except (OSError, http.client.HTTPException) as error:
                raise NotConnected(f"{self.where} {trouble(error)}") from None
        try:
            return self._exchange(self._opened(), method, body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise NotConnected(f"{self.where} {trouble(error)}") from None

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        wire = connection.sock  # the library forgets it where the server will close
        try:
            with bounded(self._timeout_s, lambda: hang_up(wire)):
                connection.request(method, self._target, body, dict(headers))
                answer = connection.getresponse()
                text = answer.read(LARGEST_ANSWER)
        except BaseException:
            self._drop(connection)
            raise
        found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text.decode("utf-8", "replace"))
        with self._lock:
            usable = answer.isclosed() and not (answer.will_close or self._closed)  # else longer than anybody reads
            if usable:
                self._idle.put(connection)
        if not usable:
            self._drop(connection)
        return found

    def _kept(self) -> http.client.HTTPConnection | None:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        return None

    def _opened(self) -> http.client.HTTPConnection:
        made: http.client.HTTPConnection
        if self._closed:
            raise NotConnected("closed")
        if self._tls is None:
            made = http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_S)
        else:
            made = http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_S, context=self._tls)
        made.auto_open = 0  # one that `close` has ended is not opened again behind our back
        try:
            made.connect()
        except (OSError, http.client.HTTPException) as error:
            made.close()
            raise NotConnected(f"{self.where} {trouble(error)}") from None
        with self._lock:
            if self._closed:
                made.close()
                raise NotConnected("closed")
            self._all.add(made)
        made.sock.settimeout(self._timeout_s)
        with contextlib.suppress(OSError):
            made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._all.discard(connection)
        connection.close()

    def close(self) -> None:
        """Never raises."""
        with self._lock:
            self._closed = True
            connections, self._all = self._all, set()
        for connection in connections:
            hang_up(connection.sock)  # whoever is at work on it closes it
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise NotConnected(f"the certificate file {ca_file} cannot be used: {error}") from None


def trouble(error: Exception) -> str:
    """Why a server could not be asked."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"cannot be trusted: {error.verify_message}; ca_file must name the authority that signed it"
        case ssl.SSLError():
            return f": TLS failed: {error.reason or error}; does it speak TLS on this port?"
        case socket.gaierror():
            return "cannot be found: the name is not known"
        case ConnectionRefusedError():
            return "cannot be reached: nothing listens there"
        case TimeoutError():
            return "does not answer in time"
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "hung up before it had answered"
        case http.client.HTTPException():
            return f"answers what is no HTTP: {error!r}"
    return f"cannot be reached: {error}"
