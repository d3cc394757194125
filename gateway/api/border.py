"""What every request meets first: correlation id, path, token, size and time of the body."""

import hashlib
import hmac
import logging
import re
import uuid
from pathlib import Path
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.envelope import EdgexError, GoResponse, base
from gateway.api.paths import routing_path
from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError
from gateway.model.network import is_loopback

log = logging.getLogger(__name__)

MAX_BODY = 48 * 1024 * 1024
"""Bytes; a profile of 100,000 resources takes about 30 MB as JSON."""
MAX_HELD = 2 * MAX_BODY
"""Bytes of all bodies under way together; more are answered 503, so that a flood of them does not eat the memory."""
BODY_SECONDS = 60.0
"""A body that has not come by then will not be waited for."""
MIN_TOKEN = 16
_PING = re.compile(r"(/[^/]+)?/api/v3/ping")


class Token:
    """The bearer token of a file; read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] = (0, 0)
        self._digest = b""
        self._read()

    def allows(self, authorization: str) -> bool:
        """Whether this Authorization header carries the token; compared in constant time."""
        try:
            self._read()
        except ConfigError as error:
            log.error("every request is refused: %s", error)
            return False
        scheme, _, given = authorization.partition(" ")
        offered = hashlib.sha256(given.strip().encode()).digest()
        return hmac.compare_digest(offered, self._digest) and scheme.lower() == "bearer"

    def _read(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return
            token = self._path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"api.token_file {self._path} cannot be read: {error}") from error
        if len(token) < MIN_TOKEN:
            raise ConfigError(f"api.token_file {self._path} must hold at least {MIN_TOKEN} characters")
        self._seen, self._digest = seen, hashlib.sha256(token.encode()).digest()


class Border:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, clock: Clock, token: Token | None = None, max_body: int = MAX_BODY) -> None:
        self._app = app
        self._clock = clock
        self._token = token
        self._max_body = max_body
        self.held = 0
        """Bytes of bodies under way."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope.setdefault("state", {})["correlation"] = correlation = _correlation(headers)
        answer = _Answer(send, correlation)
        body = _Body(self, receive, self._clock, self._max_body)
        try:
            self._check(scope, headers)
            await self._app(scope, body, answer)
        except EdgexError as error:
            await _refusal(error)(scope, receive, answer)
        except Exception:
            log.exception("a bug answered %s %s", scope["method"], scope["path"])
            if answer.started:
                raise
            await _refusal(EdgexError(500, "internal error; the log has the details"))(scope, receive, answer)
        finally:
            self.held -= body.size

    def _check(self, scope: Scope, headers: Headers) -> None:
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        scope["path"] = routing_path(raw)
        self._admit(scope["path"], headers)
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._max_body:
            raise _too_large(self._max_body)

    def _admit(self, path: str, headers: Headers) -> None:
        """Without a token everybody on this machine may ask, but a browser on it not for a stranger's page."""
        if _PING.fullmatch(path):
            return
        if self._token is None:
            _from_here("Host", f"//{headers.get('host') or 'localhost'}")
            _from_here("Origin", headers.get("origin", "http://localhost"))
        elif not self._token.allows(headers.get("authorization", "")):
            raise EdgexError(401, "Unauthorized")


def _from_here(header: str, url: str) -> None:
    """A foreign page tells itself by its Origin (`null` in a frame of its own), or by its Host, when its name was made
    to point at this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if not is_loopback(host):
        what = f"{header} {url.removeprefix('//')[:100]!r} is not of this machine"
        raise EdgexError(403, f"{what}; without api.token_file only programs and pages of this machine may ask")


class _Answer:
    """Puts the correlation id on the answer and knows whether it has begun."""

    def __init__(self, send: Send, correlation: str) -> None:
        self._send = send
        self._correlation = correlation
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            MutableHeaders(scope=message)["X-Correlation-ID"] = self._correlation
        await self._send(message)


def _correlation(headers: Headers) -> str:
    given = headers.get("x-correlation-id", "")
    return given if 0 < len(given) <= 200 and given.isascii() and given.isprintable() else str(uuid.uuid4())


def _refusal(error: EdgexError) -> Response:
    if error.status == 401:
        return GoResponse({"message": "Unauthorized"}, status_code=401, headers={"WWW-Authenticate": "Bearer"})
    return GoResponse(base(error.status, message=error.chain[0]), status_code=error.status)


def _too_large(limit: int) -> EdgexError:
    return EdgexError(413, f"the body is larger than {limit} bytes")


class _Body:
    """The body comes in time and within the limits, or EdgexError 408, 413, 503 is raised to whoever reads it."""

    def __init__(self, border: Border, receive: Receive, clock: Clock, limit: int) -> None:
        self.size = 0
        self._border = border
        self._receive = receive
        self._clock = clock
        self._limit = limit
        self._deadline = clock.monotonic() + BODY_SECONDS
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with self._clock.timeout(max(0.0, self._deadline - self._clock.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise EdgexError(408, f"the body did not come within {BODY_SECONDS:.0f} s") from None
        self._complete = not message.get("more_body", False)
        self._count(len(message.get("body", b"")))
        return message

    def _count(self, size: int) -> None:
        self.size += size
        self._border.held += size
        if self.size > self._limit:
            raise _too_large(self._limit)
        if self._border.held > MAX_HELD:
            raise EdgexError(503, "too many large bodies are under way; try again later")
