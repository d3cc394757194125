"""The loop's side of asking: processes that are started on need, and killed when a question gets out of hand."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import msgspec

from datastore.history.asking import frames
from datastore.history.asking.frames import MAX_FRAME, TOO_LARGE, TOO_MUCH, Reply, Request
from datastore.history.asking.pages import Unpacker
from gateway.model.asking import Answer, Kept, KeptPage, Question, Sql, Values
from gateway.model.contracts import Clock, Store
from gateway.model.errors import QuestionRefused, StoreFailed
from gateway.model.query import Selection

if TYPE_CHECKING:
    from datastore.history.catalog import Tombstone

log = logging.getLogger(__name__)

WAITING = 32
"""Questions that may wait for one process; more are refused."""
GRACE_S = 2.0
"""A process breaks a question off by itself; if it does not, it is killed so much later."""
START_S = 60.0
"""As long may a process take until it is ready; a second is usual."""
CHUNK = 262_144
INSTEAD = "install southgate[history] and add `history: {}` to gateway.yaml"
Bury = Callable[[Sequence["Tombstone"]], Awaitable[None]]
"""How the keeper is told what people have deleted. Raises StoreFailed."""
_decoder = msgspec.msgpack.Decoder(Reply)


class Limits(Protocol):
    """Of a question, and of the process; `AskSettings` has them."""

    @property
    def timeout_s(self) -> float: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def idle_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Where no history is kept, nothing is set."""

    timeout_s: float = 30.0
    memory_bytes: int = 256_000_000
    idle_s: float = 300.0


class AskedHistory:
    """Implements `gateway.model.asking.Answers` and `Remembers`. Analysts' SQL has a process of its own, so that
    what people ask all day never waits for it."""

    def __init__(self, data: Path, store: Store, settings: Limits, clock: Clock, bury: Bury) -> None:
        self._store = store
        self._bury = bury
        self._folder = data / "history"
        self._unpacker = Unpacker()
        self._people = Asker("people", data, settings, clock, history=True)
        self._analysts = Asker("analysts", data, settings, clock, history=True)

    async def ask(self, question: Question) -> Answer:
        with suppress(StoreFailed):  # then what is on disk is what there is to say
            await self._store.commit()
        asker = self._analysts if isinstance(question, Sql) else self._people
        return await asker.ask(question)

    async def kept(self, question: Kept) -> KeptPage:
        """By the process that people ask: a page is as quick as what else they ask."""
        answer = await self._people.ask(question)
        body = b"".join([chunk async for chunk in answer.chunks])
        return await asyncio.to_thread(self._unpacker.page, body)

    async def delete(self, selection: Selection) -> None:
        from datastore.history.asking.graves import graves

        tombstones = await asyncio.to_thread(graves, self._folder, selection, self._store.head)
        if tombstones:
            await self._bury(tombstones)

    async def close(self) -> None:
        """Ends both processes. Idempotent, never raises."""
        await self._people.close()
        await self._analysts.close()


class AskedJournal:
    """Implements `gateway.model.asking.Answers` where no history is kept: what the journal still has, by a process that
    needs neither DuckDB nor NumPy."""

    def __init__(self, data: Path, store: Store, clock: Clock) -> None:
        self._store = store
        self._people = Asker("people", data, JournalLimits(), clock, history=False)

    async def ask(self, question: Question) -> Answer:
        if isinstance(question, Sql):
            raise QuestionRefused(501, f"SQL is asked of a history: {INSTEAD}")
        if isinstance(question, Values) and question.form == "arrow":
            raise QuestionRefused(501, f"Arrow comes out of a history (JSON and CSV do without): {INSTEAD}")
        with suppress(StoreFailed):
            await self._store.commit()
        return await self._people.ask(question)

    async def delete(self, selection: Selection) -> None:
        """What is in the journal is the journal's."""

    async def close(self) -> None:
        """Ends the process. Idempotent, never raises."""
        await self._people.close()


class Asker:
    """One process that answers one question at a time."""

    def __init__(self, name: str, data: Path, settings: Limits, clock: Clock, *, history: bool) -> None:
        self._settings = settings
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._number = 0
        self._closed = False
        self._process: asyncio.subprocess.Process | None = None
        self._orders = json.dumps(
            {
                "journal": str(data / "journal"),
                "answers": str(data / "answers" / name),
                "history": str(data / "history") if history else "",
                "memory": settings.memory_bytes,
                "idle": settings.idle_s,
            }
        )

    async def ask(self, question: Question) -> Answer:
        """Raises QuestionRefused."""
        if self._waiting >= WAITING:
            raise QuestionRefused(503, f"{WAITING} questions wait already; ask again later")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._taken(await self._ask(question))
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Ends the process. Idempotent, never raises."""
        self._closed = True
        await self._kill()

    async def _ask(self, question: Question) -> Reply:
        """A process that is gone when it is asked (it ends by itself when nobody asked for long) is started again."""
        for _ in range(2):
            if self._closed:
                raise QuestionRefused(503, "the gateway stops")
            reply = await self._try(question)
            if reply is not None:
                return reply
        raise QuestionRefused(500, "the process that answers questions ended twice; the log may tell why")

    async def _try(self, question: Question) -> Reply | None:
        self._number += 1
        seconds = self._settings.timeout_s
        request = Request(self._number, type(question).__name__, question, seconds)
        try:
            process = self._process or await self._start()
            async with self._clock.timeout(seconds + GRACE_S):
                reply = await _exchange(process, request)
        except TimeoutError:
            await self._kill()
            raise QuestionRefused(504, f"the question took longer than {seconds:g} s and was broken off") from None
        except BaseException:
            await self._kill()
            raise
        if reply is None and await self._ended() == TOO_LARGE:
            raise QuestionRefused(413, TOO_MUCH)
        return reply

    async def _start(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "datastore.history.asking",
            self._orders,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        assert self._process.stdout is not None
        async with self._clock.timeout(START_S):
            await _receive(self._process.stdout)  # it is ready
        return self._process

    async def _ended(self) -> int | None:
        process, self._process = self._process, None
        return await process.wait() if process is not None else None

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()

    async def _taken(self, reply: Reply) -> Answer:
        if reply.code >= 400:
            raise QuestionRefused(reply.code, reply.said)
        chunks = Chunks(reply.body)
        if reply.path:
            chunks = await asyncio.to_thread(Chunks.of_file, reply.path)
        return Answer(reply.media, reply.size, chunks, reply.rows, reply.notes)


class Chunks:
    """The bytes of an answer, from memory or from a file that nobody else has any more."""

    def __init__(self, body: bytes = b"", file: int = -1) -> None:
        self._body = body
        self._file = file

    @classmethod
    def of_file(cls, path: str) -> Self:
        """Takes the file away from its folder. Raises OSError."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.unlink(path)  # noqa: PTH108  beside os.open
        return cls(b"", file)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk, self._body = self._body, b""
        if self._file >= 0:
            # written a moment ago, so it is in memory: 0.1 ms; threads would each keep pieces of what they read
            chunk = os.read(self._file, CHUNK)
        if not chunk:
            self._close()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self._close()


async def _exchange(process: asyncio.subprocess.Process, request: Request) -> Reply | None:
    """None: the process has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(ConnectionError):
        process.stdin.write(frames.pack(request))
        await process.stdin.drain()
        while body := await _receive(process.stdout):
            reply = _decoder.decode(body)
            if reply.number == request.number:
                return reply
    return None


async def _receive(stream: asyncio.StreamReader) -> bytes:
    """The next frame's content; empty at the end."""
    try:
        length = int.from_bytes(await stream.readexactly(4), "big")
        if length <= MAX_FRAME:
            return await stream.readexactly(length)
        log.error("history: %d bytes are no answer", length)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    return b""
