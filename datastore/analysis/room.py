"""The room of the rules: nothing of it is loaded before there is a rule, and then no source pays that no rule names."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from datastore.analysis.place import Surroundings
from gateway.model.alarm import OWN
from gateway.model.reading import Batch

if TYPE_CHECKING:
    from datastore.analysis.book import RuleBook, Would

TABLE = "rules"
"""Name → the rule, as it was made over REST."""


class RuleRoom:
    """Opens with the first rule."""

    def __init__(self, given: Surroundings, tap: Callable[[Callable[[Batch], None]], None]) -> None:
        """`tap`: of the bus."""
        self._given, self._tap = given, tap
        self._book: RuleBook | None = None
        self._started = False
        self._made = asyncio.Event()

    @property
    def book(self) -> "RuleBook":
        """The rules; opens the room."""
        if self._book is None:
            from datastore.analysis.book import RuleBook
            from datastore.analysis.engine import Analysis

            engine = Analysis(self._given)
            self._tap(engine.tap)
            self._book = RuleBook(self._given, engine)
            if self._started:
                engine.start()
            self._made.set()
        return self._book

    async def open(self, of_file: Sequence[Any]) -> None:
        """Rules of gateway.yaml, and those made over REST before. Before the registry reads its files."""
        owed = any(one.name not in OWN for one in self._given.alarms.all())
        if of_file or owed or self._given.state.all(TABLE):
            await self.book.take(of_file)

    def start(self) -> None:
        """The devices are in force."""
        self._started = True
        if self._book is not None:
            self._book.engine.start()

    async def take(self, of_file: Sequence[Any]) -> list[str]:
        """gateway.yaml was read again; see `RuleBook.take`."""
        return await self.book.take(of_file) if self._book is not None or of_file else []

    @property
    def of_file(self) -> Sequence[Any]:
        """The rules of gateway.yaml that are in force."""
        return self._book.of_file if self._book is not None else ()

    def would(self, of_file: Sequence[Any]) -> "Would | None":
        """What `take` would do; None: there are no rules, and would be none."""
        return self.book.would(of_file) if self._book is not None or of_file else None

    def report(self) -> list[dict[str, Any]]:
        """Every rule with its state, for people."""
        return self._book.report() if self._book is not None else []

    async def run(self) -> None:
        """Until cancelled."""
        await self._made.wait()
        await self.book.engine.run()

    async def close(self) -> None:
        """Keeps what must outlive a restart; nothing is left behind."""
        self._started = False
        if self._book is not None:
            await self._book.engine.close()
