"""A history to ask without a process: what the worker answers, decoded."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nanoarrow

from datastore.history.asking import frames
from datastore.history.asking.worker import Orders, Worker
from gateway.model.asking import Question
from tests.support.histories import History


class Asked(History):
    """`ask` as people do; beside it the folder of a journal."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "history")
        self.journal = folder / "journal"
        self.journal.mkdir(exist_ok=True)
        self.worker = Worker(Orders("test", str(self.folder), str(self.journal), 200_000_000, 60.0))

    def reply(self, question: Question, seconds: float = 30.0) -> frames.Reply:
        request = frames.Request(7, type(question).__name__, question, seconds)
        return self.worker.reply(frames.pack(request)[4:])

    def body(self, question: Question) -> bytes:
        reply = self.reply(question)
        assert reply.code == 200, reply.said
        body = Path(reply.path).read_bytes() if reply.path else reply.body
        assert len(body) == reply.size
        return body

    def json(self, question: Question) -> Any:
        return json.loads(self.body(question))

    def csv(self, question: Question) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.body(question).decode())))

    def arrow(self, question: Question) -> dict[str, list[Any]]:
        with nanoarrow.ArrayStream.from_readable(io.BytesIO(self.body(question))) as stream:
            names = [field.name for field in stream.schema.fields]
            rows = list(stream.iter_tuples())
        return {name: [row[at] for row in rows] for at, name in enumerate(names)}


@contextmanager
def asked(folder: Path) -> Iterator[Asked]:
    made = Asked(folder)
    try:
        yield made
    finally:
        made.close()
        made.worker.close()
