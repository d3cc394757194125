"""A history to ask without a process: what the worker answers, decoded."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nanoarrow

from datastore.history.asking.serving import Orders
from datastore.history.asking.worker import Worker
from gateway.model.asking import Question
from tests.support.answers import Desks
from tests.support.histories import History


class Asked(History, Desks):
    """`ask` as people do; beside it the folder of a journal."""

    def __init__(self, folder: Path) -> None:
        History.__init__(self, folder / "history")
        self.journal = folder / "journal"
        self.journal.mkdir(exist_ok=True)
        orders = Orders(str(self.journal), str(folder / "answers"), 200_000_000, 60.0, str(self.folder))
        self.worker = Worker(orders)
        Desks.__init__(self, self.worker, folder / "answers")

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
