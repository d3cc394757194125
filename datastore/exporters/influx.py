"""InfluxDB 2 through influxdb-client: its `WriteService`, which is one request; retrying is the forwarder's.

A write is idempotent (series, time and field name one value), so what is sent twice counts once. 400 is the server's
word for points that it does not take while the others went; which they are is found by sending halves.
"""

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import urllib3
from influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.ping_service import PingService
from influxdb_client.service.write_service import WriteService

from datastore.exporters.answers import Refused, isolated, raise_refused, refusal
from datastore.exporters.bounded import bounded, hang_up
from datastore.exporters.lineprotocol import DoesNotFit, Lines
from datastore.exporters.secrets import secret
from datastore.exporters.settings import InfluxSettings
from datastore.exporters.threads import SIDE_BY_SIDE, Threads
from datastore.exporters.waiting import Forever
from gateway.model.errors import NotConnected, NotTaken
from gateway.model.reading import Batch, Event

LARGEST = 4_000_000
"""Characters of lines in a request; a batch of more leaves in several."""
QUICK = 1
"""Compression level: lines shrink to a tenth at once, and no further at five times the cost."""


class Line(NamedTuple):
    """The lines of one record."""

    place: int
    """In the batch."""
    text: str


class _Server(NamedTuple):
    client: InfluxDBClient
    write: WriteService


class InfluxExporter:
    """Implements `gateway.model.contracts.Exporter`."""

    def __init__(self, name: str, settings: InfluxSettings, gateway: str) -> None:
        self.name = name
        self._settings = settings
        self._lines = Lines(settings.measurement, settings.tags, gateway, floats=settings.integers == "float")
        self._threads = Threads(f"export {name}")
        self._server: _Server | None = None
        self._where = f"InfluxDB at {settings.url}"
        self._forever = Forever()
        self._wires: dict[int, socket.socket] = {}
        """On which the thread of this number waits for an answer."""

    async def connect(self) -> None:
        if self._server is None:
            self._forever.begin()
            self._server = await self._threads.call(self._open)

    def _open(self) -> _Server:
        s = self._settings
        token = secret(s.token_file, "token")
        client = InfluxDBClient(
            s.url,
            token,
            org=s.org,
            timeout=int(s.timeout_s * 1000),
            retries=False,
            ssl_ca_cert=str(s.ca_file) if s.ca_file else None,
            connection_pool_maxsize=SIDE_BY_SIDE,
        )
        _note_wires(client.api_client.rest_client.pool_manager.connection_from_url(s.url), self._wires)
        try:
            with contextlib.suppress(NotTaken, Refused):  # it is there, whatever it says to a ping
                self._asked(PingService(client.api_client).get_ping)
        except BaseException:
            client.close()
            raise
        return _Server(client, WriteService(client.api_client))

    async def send(self, batch: Batch) -> None:
        server = self._server
        if server is None:
            raise NotConnected(f"{self._where}: not connected")
        raise_refused(await self._threads.call(self._send, server, batch))

    def _send(self, server: _Server, batch: Batch) -> Mapping[int, str]:
        lines, refused = self._written(batch)
        for part in _parts(lines):
            found = isolated(part, lambda some: self._post(server, some))
            refused |= {part[at].place: why for at, why in found.items()}
        return refused

    def _written(self, batch: Batch) -> tuple[list[Line], dict[int, str]]:
        """Lines of all records, and what cannot be written as one. Messages are no points."""
        lines, refused = [], {}
        for place, record in enumerate(batch):
            if not isinstance(record, Event):
                continue
            try:
                text = self._lines.of(record)
            except DoesNotFit as error:
                refused[place] = str(error)
                continue
            if text:
                lines.append(Line(place, text))
        return lines, refused

    def _post(self, server: _Server, lines: Sequence[Line]) -> None:
        body = "".join([line.text for line in lines]).encode("utf-8", "replace")
        options: dict[str, Any] = {"content_type": "text/plain; charset=utf-8"}
        if self._settings.gzip:
            body = gzip.compress(body, QUICK)
            options["content_encoding"] = "gzip"
        self._asked(server.write.post_write, self._settings.org, self._settings.bucket, body, precision="ns", **options)

    def _asked(self, call: Any, *args: Any, **options: Any) -> None:
        """Raises NotConnected, Refused."""
        me = threading.get_ident()
        try:
            with bounded(self._settings.timeout_s, lambda: hang_up(self._wires.get(me))):
                call(*args, **options)
        except ApiException as error:
            if error.status:
                headers: Mapping[str, str] = error.headers or {}
                said, later = _said(error.body), headers.get("Retry-After", "")
                raise refusal(error.status, said, later, time.time(), self._where) from None
            raise NotConnected(f"{self._where}: TLS failed: {error.reason}; is the certificate trusted?") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NotConnected(f"{self._where} {_trouble(error)}") from None
        finally:
            self._wires.pop(me, None)

    async def lost(self) -> str:
        """A server that is asked now and then is found gone by the next request only."""
        return await self._forever.wait()

    async def close(self) -> None:
        server, self._server = self._server, None
        self._forever.end()
        self._threads.close()
        if server is not None:
            with contextlib.suppress(Exception):
                server.client.close()


def _note_wires(pool: urllib3.HTTPConnectionPool, wires: dict[int, socket.socket]) -> None:
    """The library shows nobody the socket of a request that is under way."""

    class Noted(pool.ConnectionCls):  # type: ignore[name-defined, misc]
        def getresponse(self, *args: Any, **options: Any) -> Any:
            wires[threading.get_ident()] = self.sock
            return super().getresponse(*args, **options)

    pool.ConnectionCls = Noted


def _parts(lines: Sequence[Line]) -> list[list[Line]]:
    """Requests of at most `LARGEST` characters, or of one record."""
    parts: list[list[Line]] = []
    size = 0
    for line in lines:
        if not parts or size + len(line.text) > LARGEST:
            parts.append([])
            size = 0
        parts[-1].append(line)
        size += len(line.text)
    return parts


def _said(body: Any) -> str:
    """The server's own words: `message` or `error` of its JSON (InfluxDB 2, 1)."""
    import json

    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return str(found.get("message") or found.get("error") or text) if isinstance(found, dict) else text


def _trouble(error: Exception) -> str:
    match error:
        case urllib3.exceptions.NameResolutionError():
            return "cannot be found: the name is not known"
        case urllib3.exceptions.NewConnectionError():
            return "cannot be reached: nothing listens there"
        case urllib3.exceptions.ConnectTimeoutError() | urllib3.exceptions.ReadTimeoutError() | TimeoutError():
            return "does not answer in time"
        case urllib3.exceptions.ProtocolError():
            return "hung up before it had answered"
    return f"cannot be reached: {error}"
