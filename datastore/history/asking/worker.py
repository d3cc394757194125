"""The process that answers: one question after another, until nobody asks any more or whoever started it is gone."""

import contextlib
import logging
import os
import queue
import resource
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import msgspec

from datastore.history.asking import complete, frames, records, sql, values
from datastore.history.asking.archive import Archive, Shelf
from datastore.history.asking.found import Found
from datastore.history.asking.frames import TOO_LARGE, Reply, Request
from gateway.model.asking import Completeness, Question, Records, Sql, Values
from gateway.model.errors import QuestionRefused

log = logging.getLogger(__name__)

QUESTIONS: dict[str, type[Question]] = {"Values": Values, "Sql": Sql, "Records": Records, "Completeness": Completeness}
BASE_BYTES = 200_000_000
"""What the process needs besides what DuckDB may take: libraries, rows on their way out."""
LOOK_S = 0.2
TRIES = 3
"""A file may be swapped for another between the catalog's word and the look at it."""
_PAGE = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Orders:
    """What the process was started for."""

    name: str
    history: str
    journal: str
    memory: int
    idle: float


def run(orders: str) -> int:
    """Returns when nobody asked for long, or nobody can any more."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    told = msgspec.json.decode(orders, type=Orders)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not come between the frames
    _be_modest()
    questions: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, questions), daemon=True).start()
    threading.Thread(target=_watch, args=(told.memory + BASE_BYTES,), daemon=True).start()
    worker = Worker(told)
    out.write(frames.pack(Reply(0)))
    out.flush()
    with contextlib.suppress(queue.Empty, BrokenPipeError):
        while frame := questions.get(timeout=told.idle):
            out.write(frames.pack(worker.reply(frame)))
            out.flush()
    return 0


def _be_modest() -> None:
    """Polling and commands come first; and who has to go when memory is short is this process."""
    with contextlib.suppress(OSError):
        os.nice(5)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


def _listen(stream: BinaryIO, questions: "queue.Queue[bytes]") -> None:
    """Also while a question is answered: when the gateway is gone, nobody wants the answer."""
    while frame := frames.read(stream):
        questions.put(frame)
    os._exit(0)


def _watch(limit: int) -> None:
    """DuckDB keeps to its own limit; this is for all the rest."""
    while True:
        time.sleep(LOOK_S)
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE > limit:
                os._exit(TOO_LARGE)


class Worker:
    """Answers frames with replies."""

    def __init__(self, orders: Orders) -> None:
        self._shelf = Shelf(Path(orders.history), Path(orders.journal))
        self._memory = orders.memory
        self._answers = Path(orders.history) / "answers" / orders.name
        self._numbers = count(1)
        self._con: duckdb.DuckDBPyConnection | None = None
        shutil.rmtree(self._answers, ignore_errors=True)
        self._answers.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Lets go of the files."""
        self._shelf.close()
        if self._con is not None:
            self._con.close()
            self._con = None

    def reply(self, frame: bytes) -> Reply:
        """Never raises."""
        request = msgspec.msgpack.decode(frame, type=Request)
        for left in self._answers.iterdir():  # those of before have been taken when the next question comes
            left.unlink()
        began = time.perf_counter()
        try:
            found = self._found(request)
            return self._shipped(request.number, found, f"{(time.perf_counter() - began) * 1000:.1f}")
        except QuestionRefused as error:
            return Reply(request.number, error.code, str(error))
        except duckdb.InterruptException:
            said = f"the question took longer than {request.seconds:g} s and was broken off; ask for a shorter span"
            return Reply(request.number, 504, f"{said}, larger buckets, or raise history.ask.timeout")
        except (duckdb.OutOfMemoryException, MemoryError):
            said = "the question needs too much memory; ask for a shorter span or larger buckets"
            return Reply(request.number, 413, f"{said}, or raise history.ask.memory")
        except Exception as error:
            log.exception("a question could not be answered")
            return Reply(request.number, 500, f"history could not be read: {error}")

    def _found(self, request: Request) -> Found:
        question: Question = msgspec.convert(request.question, QUESTIONS[request.name])
        for last in range(TRIES):
            try:
                with self._connected(request.seconds, not isinstance(question, Sql)) as con:
                    return self._answer(con, question)
            except duckdb.IOException:
                if last == TRIES - 1:
                    raise
        raise AssertionError

    @contextlib.contextmanager
    def _connected(self, seconds: float, kept: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for a question. It takes a while to make, so it is kept for the next one if all went well."""
        con, self._con = self._con or duckdb.connect(config=self._config()), None
        clock = threading.Timer(seconds, con.interrupt)
        clock.start()
        try:
            yield con
            self._con = con if kept else None
        finally:
            clock.cancel()
            if self._con is None:
                con.close()

    def _answer(self, con: duckdb.DuckDBPyConnection, question: Question) -> Found:
        archive = Archive(self._shelf)
        if isinstance(question, Values):
            return values.answer(con, archive, question, self._file)
        if isinstance(question, Sql):
            return sql.answer(con, archive, question, self._file)
        if isinstance(question, Completeness):
            return complete.answer(con, archive, question)
        return records.answer(con, archive, question)

    def _config(self) -> dict[str, Any]:
        return {
            "threads": 1,
            "memory_limit": f"{self._memory // 1000}KB",
            "temp_directory": "",
            "preserve_insertion_order": True,
        }

    def _file(self) -> Path:
        return self._answers / str(next(self._numbers))

    def _shipped(self, number: int, found: Found, took: str) -> Reply:
        size = found.path.stat().st_size if found.path else len(found.body)
        reply = Reply(number, 200, "", found.media, size=size, rows=found.rows, notes={**found.notes, "ms": took})
        if size <= frames.INLINE:
            reply.body = _taken(found.path) if found.path else found.body
        else:
            if found.path is None:
                found.path = self._file()
                found.path.write_bytes(found.body)
            reply.path = str(found.path)
        return reply


def _taken(path: Path) -> bytes:
    body = path.read_bytes()
    path.unlink()
    return body
