"""The process that owns the history's files: told what to do through its standard input, a request at a time, and
answers on its standard output. It does nothing by itself, so a clock is not among its parts."""

import json
import logging
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from datastore.history.catalog import FILES, NAME, Catalog, File, Tombstone
from datastore.history.housekeeping import Housekeeping, Moment
from datastore.history.intake import Intake
from datastore.history.keeping import Keeping
from datastore.history.parquet import Engine
from datastore.history.retention import SPARE, Retained
from datastore.history.settings import HistorySettings, KeepRule
from datastore.history.spans import FIRST, Tier
from datastore.history.wear import Wear
from datastore.sqlite import SIDE_FILES, Corrupt, is_corrupt
from gateway.model.errors import ConfigError

log = logging.getLogger(__name__)

MEMORY = "300MB"
"""What DuckDB may take; more goes to temporary files."""
TROUBLE = (duckdb.Error, sqlite3.Error, OSError, Corrupt, ConfigError)
Answer = dict[str, Any]
_INNER = re.compile(r'"exception_message":("(?:[^"\\]|\\.)*")')
"""What DuckDB wraps when another of its threads failed."""


class Keeper:
    """Answers requests; raises TROUBLE, after which it can be asked again unless it `is_beyond`."""

    def __init__(self, folder: Path, journal: Path, settings: HistorySettings) -> None:
        self.moved_aside = ""
        """Path of what was damaged, last."""
        self.catalog = self._open(folder)
        self._engine = Engine(folder, MEMORY)
        self._remove_leftovers()
        self._keeping = Keeping(settings.keep)
        self._keeping.learn(self.catalog)
        self._intake = Intake(journal, self.catalog, self._engine, self._keeping)
        # a batch fits into what by_bytes leaves to spare
        self._intake.batch_bytes = min(self._intake.batch_bytes, settings.bytes_max // SPARE)
        self._housekeeping = Housekeeping(self.catalog, self._engine, self._keeping, settings)
        self._wear = Wear(self.catalog)
        self._work: Iterator[None] | None = None
        self._taken = {"records": 0, "readings": 0, "kept": 0, "too_old": 0}

    def part_rows(self, rows: int) -> None:
        """How many rows a merge sorts at once."""
        self._housekeeping.merging.part_rows = rows

    def close(self) -> None:
        with suppress(*TROUBLE):
            self._wear.save()
        self._housekeeping.retention.unlink(FIRST, all_=True)
        self._engine.close()
        self.catalog.close()

    def _open(self, folder: Path) -> Catalog:
        try:
            return Catalog.writer(folder)
        except Corrupt as error:
            aside = folder / f"corrupt-{secrets.token_hex(4)}"  # inside: the folder may be a disk of its own
            log.error("history: %s; the whole history is moved to %s", error, aside)
            aside.mkdir()
            for side in ("", *SIDE_FILES):
                with suppress(FileNotFoundError):
                    (folder / f"{NAME}{side}").rename(aside / f"{NAME}{side}")
            (folder / FILES).rename(aside / FILES)
            self.moved_aside = str(aside)
            return Catalog.writer(folder)

    def _remove_leftovers(self) -> None:
        """Files of a merge or a batch that was cut short, or that were swapped out."""
        known = {file.name for file in self.catalog.files()}
        for path in (self.catalog.folder / FILES).iterdir():
            if path.name not in known and path.suffix == ".parquet":
                path.unlink()
        missing = [file for file in self.catalog.files() if not self.catalog.path(file).exists()]
        there = [file for file in self.catalog.files() if file not in missing]
        self._put_aside([file for file in there if self.catalog.path(file).stat().st_size != file.bytes])
        if missing:
            log.error(
                "history: %d files are missing, the first is %s; what they held is lost", len(missing), missing[0]
            )
            with self.catalog.change():
                self.catalog.drop(missing)

    # -------------------------------------------------------------------------------------------------- requests

    def answer(self, request: dict[str, Any]) -> Answer:
        """What is asked for by `do`: one of the methods below; `now` is the gateway's clock."""
        asked: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "take": self.take,
            "tend": self.tend,
            "keep": self.keep,
            "delete": self.delete,
            "report": self.report,
        }
        return asked[request["do"]](request)

    def take(self, request: dict[str, Any]) -> Answer:
        """The next batch of the journal. `cursor`: all up to there is in the files; `more`: there is more."""
        retention = self._housekeeping.retention
        if retention.is_over():
            self._work = None  # what it reads may be what goes
            retention.by_bytes(request["now"])
        taken = self._intake.take(request["now"])
        for name in self._taken:
            self._taken[name] += getattr(taken, name)
        return {"cursor": taken.cursor, "records": taken.records, "readings": taken.readings, "more": taken.more}

    def tend(self, request: dict[str, Any]) -> Answer:
        """One step of housekeeping; `more`: there is more to do."""
        if self._work is None:
            self._work = self._housekeeping.steps(Moment(request["now"], request["trusted"]))
        try:
            next(self._work)
        except StopIteration:
            self._work = None
        except TROUBLE as error:
            self._work = None
            if not self._put_aside_damaged() or is_beyond(error):
                raise
        return {"more": self._work is not None}

    def _put_aside_damaged(self) -> bool:
        """Whether one of the files that were read last cannot be; it is set aside, so that the others can be merged."""
        known = set(self.catalog.files())
        damaged = [file for file in self._engine.read if file in known and not self._engine.sound(file)]
        self._put_aside(damaged)
        return bool(damaged)

    def _put_aside(self, damaged: Sequence[File]) -> None:
        for file in damaged:
            path = self.catalog.path(file)
            aside = path.with_name(path.name + ".corrupt")
            log.error("history: %s is damaged; it is moved to %s", path, aside)
            with suppress(FileNotFoundError):
                path.rename(aside)
            self.moved_aside = str(aside)
        if damaged:
            with self.catalog.change():
                self.catalog.drop(damaged)

    def keep(self, request: dict[str, Any]) -> Answer:
        """`rules`, `labels` by device and `retained` (EdgeX's retention of autoEvents) from now on."""
        rules = [KeepRule.model_validate(rule) for rule in request["rules"]]
        self._keeping.change(rules, request["labels"], self.catalog)
        self._housekeeping.retention.autoevents = [Retained(*one) for one in request["retained"]]
        return {}

    def delete(self, request: dict[str, Any]) -> Answer:
        """`tombstones`, as far as they go."""
        with self.catalog.change():
            self.catalog.bury([Tombstone(**one) for one in request["tombstones"]])
        return {}

    def report(self, request: dict[str, Any]) -> Answer:
        """What is there, and what was taken since the start; `at` and `written` are the gateway's, see Wear."""
        if "written" in request:
            self._wear.told(request["at"], request["written"])
        tiers: dict[Tier, dict[str, int]] = {}
        for file in self.catalog.files():
            told = tiers.setdefault(
                file.tier, {"files": 0, "rows": 0, "bytes": 0, "oldest": file.oldest, "newest": file.newest}
            )
            told["files"] += 1
            told["rows"] += file.rows
            told["bytes"] += file.bytes
            told["oldest"] = min(told["oldest"], file.oldest)
            told["newest"] = max(told["newest"], file.newest)
        return {
            "cursor": self.catalog.cursor,
            "bytes": self._housekeeping.retention.bytes,
            "tiers": tiers,
            "taken": dict(self._taken),
            "moved_aside": self.moved_aside,
            "written": self._wear.bytes,
            "watched_s": self._wear.ms / 1000,
        }


def words(error: BaseException) -> str:
    """What went wrong, for people."""
    inner = _INNER.search(str(error))
    said = json.loads(inner[1]) if inner else str(error)
    return " ".join(said.split()) or type(error).__name__


def is_beyond(error: BaseException) -> bool:
    """Whether only a start makes it well: the catalog is damaged, DuckDB has given up."""
    if isinstance(error, sqlite3.Error):
        return is_corrupt(error)
    return isinstance(error, (Corrupt, duckdb.FatalException, duckdb.InternalException))
