"""An HTTP server that answers as a test says: refuses, is slow, hangs up in the middle. On the test's own loop."""

import asyncio
import contextlib
import gzip
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass
class Asked:
    """A request."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    raw: bytes

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.raw) if self.headers.get("content-encoding") == "gzip" else self.raw

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Says:
    """An answer."""

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    """Hangs up instead of answering."""
    half: bool = False
    """Hangs up in the middle of the answer."""
    after: asyncio.Event | None = None
    """Not before this."""
    drip_s: float = 0.0
    """A byte at a time, with so long between them."""


class FakeHttp:
    """`says` is asked for every request's answer; `next` are answers that come first, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.next: deque[Says] = deque()
        self.says: Callable[[Asked], Says] = lambda _: Says()
        self.changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._stopped = asyncio.Event()
        self.port = 0

    async def start(self) -> None:
        """At the same port as before, if it was started before."""
        self._stopped.clear()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._stopped.set()
            for writer in list(self._writers):
                writer.close()
            await self._server.wait_closed()
            self._server = None
        await asyncio.sleep(0)

    async def until(self, done: Callable[[], bool]) -> None:
        """Waits for what is asked, not for a time."""
        async with asyncio.timeout(20):
            while not done():
                self.changed.clear()
                await self.changed.wait()

    @property
    def posts(self) -> list[Asked]:
        return [one for one in self.asked if one.method != "GET"]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    asked = await _read(reader)
                    self.asked.append(asked)
                    self.changed.set()
                    if not await self._answer(asked, writer):
                        return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        ping = asked.method == "GET"
        says = Says() if ping else self.next.popleft() if self.next else self.says(asked)
        if says.after is not None:
            await says.after.wait()
        if says.cut:
            writer.transport.abort()
            return False
        head = f"HTTP/1.1 {says.status} {HTTPStatus(says.status).phrase}\r\n"
        fields = {"Content-Length": str(len(says.body)), **says.headers}
        text = head + "".join(f"{key}: {value}\r\n" for key, value in fields.items()) + "\r\n"
        whole = text.encode() + says.body
        whole = whole[: len(whole) - len(says.body) // 2 - 1] if says.half else whole
        parts = [bytes([one]) for one in whole] if says.drip_s else [whole]
        while parts and not writer.is_closing():
            writer.write(parts.pop(0))
            await writer.drain()
            if says.drip_s:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(says.drip_s):
                        await self._stopped.wait()
        return not says.half


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@contextlib.asynccontextmanager
async def fake_http() -> AsyncIterator[FakeHttp]:
    fake = FakeHttp()
    await fake.start()
    try:
        yield fake
    finally:
        await fake.stop()
