"""Whoever answers for a journal, without the process."""

from collections.abc import AsyncIterator
from pathlib import Path

from datastore.history.asking import frames
from datastore.history.asking.found import Answerer
from datastore.history.asking.recent.answerer import Recent
from datastore.history.asking.serving import Desk, Orders
from datastore.journal import Journal
from gateway.model.asking import Answer, Question
from gateway.model.errors import QuestionRefused
from gateway.model.query import Selection


class Desks:
    """Asks an answerer as the gateway does, through frames."""

    def __init__(self, answerer: Answerer, answers: Path) -> None:
        self.desk = Desk(answerer, answers)

    def reply(self, question: Question, seconds: float = 30.0) -> frames.Reply:
        request = frames.Request(7, type(question).__name__, question, seconds)
        return self.desk.reply(frames.pack(request)[4:])

    def body(self, question: Question) -> bytes:
        reply = self.reply(question)
        assert reply.code == 200, reply.said
        body = _whole(reply)
        assert len(body) == reply.size
        return body


class Directly(Desks):
    """Implements `gateway.model.asking.Answers` for a journal in the folder `journal` of this one."""

    def __init__(self, folder: Path, store: Journal) -> None:
        orders = Orders(str(folder / "journal"), str(folder / "answers"), 200_000_000, 60.0)
        super().__init__(Recent(orders), folder / "answers")
        self._store = store

    async def ask(self, question: Question) -> Answer:
        await self._store.commit()
        reply = self.reply(question)
        if reply.code >= 400:
            raise QuestionRefused(reply.code, reply.said)
        return Answer(reply.media, reply.size, _chunks(reply), reply.rows, reply.notes)

    async def delete(self, selection: Selection) -> None: ...


async def _chunks(reply: frames.Reply) -> AsyncIterator[bytes]:
    yield _whole(reply)


def _whole(reply: frames.Reply) -> bytes:
    return Path(reply.path).read_bytes() if reply.path else reply.body
