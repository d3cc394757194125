"""Answers out of the history's files and the journal, with DuckDB."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from datastore.history.asking import complete, kept, records, sql, values
from datastore.history.asking.archive import Archive, Shelf
from datastore.history.asking.found import Found, NewFile
from datastore.history.asking.serving import Orders, too_slow
from gateway.model.asking import Completeness, Kept, Question, Sql, Values

TRIES = 3
"""A file may be swapped for another between the catalog's word and the look at it."""


class Worker:
    """Implements `found.Answerer`."""

    BASE_BYTES = 200_000_000
    """DuckDB's own libraries, rows on their way out; DuckDB keeps to its limit by itself."""

    def __init__(self, orders: Orders) -> None:
        self._shelf = Shelf(Path(orders.history), Path(orders.journal))
        self._memory = orders.memory
        self._con: duckdb.DuckDBPyConnection | None = None

    def close(self) -> None:
        self._shelf.close()
        if self._con is not None:
            self._con.close()
            self._con = None

    def answer(self, question: Question, seconds: float, fresh: NewFile) -> Found:
        for last in range(TRIES):
            try:
                with self._connected(seconds, not isinstance(question, Sql)) as con:
                    return self._answer(con, question, fresh)
            except duckdb.InterruptException:
                raise too_slow(seconds) from None
            except duckdb.OutOfMemoryException:
                raise MemoryError from None
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

    def _answer(self, con: duckdb.DuckDBPyConnection, question: Question, fresh: NewFile) -> Found:
        archive = Archive(self._shelf)
        if isinstance(question, Values):
            return values.answer(con, archive, question, fresh)
        if isinstance(question, Sql):
            return sql.answer(con, archive, question, fresh)
        if isinstance(question, Completeness):
            return complete.answer(con, archive, question)
        if isinstance(question, Kept):
            return kept.answer(con, archive, question)
        return records.answer(con, archive, question)

    def _config(self) -> dict[str, Any]:
        return {
            "threads": 1,
            "memory_limit": f"{self._memory // 1000}KB",
            "temp_directory": "",
            "preserve_insertion_order": True,
        }
