"""Answers out of the journal's files, read beside the gateway that writes them. Whoever asked kills the process when a
question takes too long."""

from pathlib import Path

from datastore.history.asking.found import Found, NewFile
from datastore.history.asking.recent import complete, records, values
from datastore.history.asking.recent.shelf import Shelf
from datastore.history.asking.serving import Orders
from gateway.model.asking import Completeness, Question, Values
from gateway.model.asking import Records as Asked
from gateway.model.errors import QuestionRefused


class Recent:
    """Implements `found.Answerer`."""

    BASE_BYTES = 40_000_000

    def __init__(self, orders: Orders) -> None:
        self._shelf = Shelf(Path(orders.journal))

    def answer(self, question: Question, seconds: float, fresh: NewFile) -> Found:  # noqa: ARG002
        self._shelf.look()
        if isinstance(question, Values):
            return values.answer(self._shelf, question)
        if isinstance(question, Completeness):
            return complete.answer(self._shelf, question)
        if isinstance(question, Asked):
            return records.answer(self._shelf, question)
        raise QuestionRefused(501, "the journal knows no SQL")

    def close(self) -> None:
        """Nothing is held open."""
