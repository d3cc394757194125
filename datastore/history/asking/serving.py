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
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

import msgspec

from datastore.history.asking import frames
from datastore.history.asking.found import Answerer, Found
from datastore.history.asking.frames import TOO_LARGE, TOO_MUCH, Reply, Request
from gateway.model.asking import Completeness, Kept, Question, Records, Sql, Values
from gateway.model.errors import QuestionRefused

log = logging.getLogger(__name__)

QUESTIONS: dict[str, type[Question]] = {one.__name__: one for one in (Values, Sql, Records, Completeness, Kept)}
LOOK_S = 0.2
_PAGE = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Orders:
    """What the process was started for."""

    journal: str
    answers: str
    """Folder for answers that are too long for the pipe."""
    memory: int
    idle: float
    history: str = ""
    """Empty: there is none, only the journal."""

    @classmethod
    def read(cls, text: str) -> "Orders":
        return msgspec.json.decode(text, type=cls)


def run(orders: Orders, made: Callable[[Orders], Answerer]) -> int:
    """Returns when nobody asked for long, or nobody can any more."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not come between the frames
    _be_modest()
    answerer = made(orders)
    questions: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, questions), daemon=True).start()
    threading.Thread(target=_watch, args=(orders.memory + answerer.BASE_BYTES,), daemon=True).start()
    desk = Desk(answerer, Path(orders.answers))
    out.write(frames.pack(Reply(0)))
    out.flush()
    with contextlib.suppress(queue.Empty, BrokenPipeError):
        while frame := questions.get(timeout=orders.idle):
            out.write(frames.pack(desk.reply(frame)))
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
    """Whoever answers keeps to bounds of his own; this is for all the rest."""
    while True:
        time.sleep(LOOK_S)
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE > limit:
                os._exit(TOO_LARGE)


class Desk:
    """Answers frames with replies."""

    def __init__(self, answerer: Answerer, answers: Path) -> None:
        self._answerer = answerer
        self._answers = answers
        self._numbers = count(1)
        shutil.rmtree(answers, ignore_errors=True)

    def reply(self, frame: bytes) -> Reply:
        """Never raises."""
        request = msgspec.msgpack.decode(frame, type=Request)
        began = time.perf_counter()
        try:
            for left in self._answers.glob("*"):  # those of before have been taken when the next question comes
                left.unlink()
            question: Question = msgspec.convert(request.question, QUESTIONS[request.name])
            found = self._answerer.answer(question, request.seconds, self._file)
            return self._shipped(request.number, found, f"{(time.perf_counter() - began) * 1000:.1f}")
        except QuestionRefused as error:
            return Reply(request.number, error.code, str(error))
        except MemoryError:
            return Reply(request.number, 413, TOO_MUCH)
        except Exception as error:
            log.exception("a question could not be answered")
            return Reply(request.number, 500, f"what is kept could not be read: {error}")

    def _file(self) -> Path:
        self._answers.mkdir(parents=True, exist_ok=True)
        return self._answers / str(next(self._numbers))

    def _shipped(self, number: int, found: Found, took: str) -> Reply:
        size = found.path.stat().st_size if found.path else len(found.body)
        reply = Reply(number, 200, "", found.media, size=size, rows=found.rows, notes={**found.notes, "ms": took})
        if size > frames.INLINE and (found.path or self._written(found)):
            reply.path = str(found.path)
        else:
            reply.body = _taken(found.path) if found.path else found.body
        return reply

    def _written(self, found: Found) -> bool:
        """Whether the disk has taken the body; a full one must not keep people from asking."""
        try:
            path = self._file()
            path.write_bytes(found.body)
        except OSError:
            if len(found.body) > frames.MAX_FRAME // 2:
                raise
            return False
        found.path = path
        return True


def too_slow(seconds: float) -> QuestionRefused:
    """What is told of a question that was broken off."""
    return QuestionRefused(
        504,
        f"the question took longer than {seconds:g} s and was broken off; ask for a shorter span, larger buckets, or "
        "raise history.ask.timeout where a history is kept",
    )


def _taken(path: Path) -> bytes:
    body = path.read_bytes()
    path.unlink()
    return body
