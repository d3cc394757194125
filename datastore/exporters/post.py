"""Requests to any HTTP server, in the shape of a template; also the webhook for alarms."""

import base64
import gzip
import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from datastore.exporters.answers import isolated, raise_refused, refusal
from datastore.exporters.httpclient import HttpClient
from datastore.exporters.secrets import secret
from datastore.exporters.settings import HttpSettings, WebhookSettings
from datastore.exporters.threads import Threads
from datastore.exporters.waiting import Forever
from gateway.model.errors import NotConnected, NotTaken
from gateway.model.export.fields import identity, reading_fields, record_fields
from gateway.model.export.template import compiled, written
from gateway.model.reading import Batch, Event, Record

_json = msgspec.json.Encoder().encode
SIGNATURE = "X-Southgate-Signature"
QUICK = 1


class Item(NamedTuple):
    """One filled template."""

    place: int
    """Of its record in the batch."""
    key: str
    """Id of what it is about."""
    body: bytes


class _Server(NamedTuple):
    client: HttpClient
    headers: Mapping[str, str]
    secret: bytes


class HttpExporter:
    """Implements `gateway.model.contracts.Exporter`."""

    def __init__(self, name: str, settings: HttpSettings, gateway: str) -> None:
        self.name = name
        self._settings = settings
        self._gateway = gateway
        self._fill = compiled(settings.template) if settings.template is not None else dict
        self._is_text = isinstance(settings.template, str)
        self._type = settings.content_type or ("text/plain; charset=utf-8" if self._is_text else "application/json")
        self._threads = Threads(f"export {name}")
        self._server: _Server | None = None
        self._forever = Forever()

    async def connect(self) -> None:
        if self._server is None:
            self._forever.begin()
            self._server = await self._threads.call(self._open)

    def _open(self) -> _Server:
        s = self._settings
        more = {name: text.get_secret_value() for name, text in s.headers.items()}
        headers = {**more, "Content-Type": self._type, "User-Agent": "southgate", **self._credentials()}
        if s.gzip:
            headers["Content-Encoding"] = "gzip"
        key = secret(s.secret_file, "secret").encode() if isinstance(s, WebhookSettings) else b""
        client = HttpClient(s.url, s.timeout_s, s.ca_file)
        client.reach()
        return _Server(client, headers, key)

    def _credentials(self) -> dict[str, str]:
        s = self._settings
        if s.token_file:
            return {s.token_header: f"{s.token_scheme} {secret(s.token_file, 'token')}".strip()}
        if s.user:
            pair = f"{s.user}:{secret(s.password_file, 'password')}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}

    async def send(self, batch: Batch) -> None:
        server = self._server
        if server is None:
            raise NotConnected("not connected")
        raise_refused(await self._threads.call(self._send, server, batch))

    def _send(self, server: _Server, batch: Batch) -> Mapping[int, str]:
        items = [item for place, record in enumerate(batch) for item in self._items(place, record)]
        if self._settings.together:
            refused = isolated(items, lambda some: self._post(server, self._joined(some), ""))
        else:
            refused = {}
            for at, item in enumerate(items):
                found = isolated([item], lambda one: self._post(server, one[0].body, one[0].key))
                refused.update((at, why) for why in found.values())
        return {items[at].place: why for at, why in refused.items()}

    def _items(self, place: int, record: Record) -> Iterator[Item]:
        if self._settings.each == "event" or not isinstance(record, Event):
            yield Item(place, identity(record), self._encoded(record_fields(record, self._gateway)))
            return
        for fields in reading_fields(record, self._gateway):
            yield Item(place, fields["id"], self._encoded(fields))

    def _encoded(self, fields: Mapping[str, Any]) -> bytes:
        shown = self._fill(fields)
        return written(shown).encode("utf-8", "replace") if self._is_text else _json(shown)

    def _joined(self, items: Sequence[Item]) -> bytes:
        bodies = [item.body for item in items]
        return b"\n".join(bodies) + b"\n" if self._is_text else b"[" + b",".join(bodies) + b"]"

    def _post(self, server: _Server, body: bytes, key: str) -> None:
        """Raises NotConnected, Refused."""
        headers = dict(server.headers)
        if key:
            headers["Idempotency-Key"] = key
        if server.secret:
            headers[SIGNATURE] = "sha256=" + hmac.new(server.secret, body, hashlib.sha256).hexdigest()
        sent = gzip.compress(body, QUICK) if self._settings.gzip else body
        answer = server.client.request(self._settings.method, sent, headers)
        if 200 <= answer.status < 300:
            return
        if 300 <= answer.status < 400:
            elsewhere = answer.headers.get("location", "another address")
            raise NotTaken(f"{server.client.where} sends us to {elsewhere} ({answer.status}): write that as url")
        later = answer.headers.get("retry-after", "")
        raise refusal(answer.status, answer.body, later, time.time(), server.client.where)

    async def lost(self) -> str:
        """A server that is asked now and then is found gone by the next request only."""
        return await self._forever.wait()

    async def close(self) -> None:
        server, self._server = self._server, None
        self._forever.end()
        self._threads.close()
        if server is not None:
            server.client.close()
