"""Small durable facts: implements `gateway.model.contracts.State` in a small SQLite file of its own.

Everything is in memory as well, since whoever asks must not wait. Puts that come while one is being written go to disk
together with the next.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datastore import sqlite
from datastore.drops import Alarm
from datastore.sqlite import Corrupt
from gateway.model.contracts import Clock
from gateway.model.errors import StoreFailed

log = logging.getLogger(__name__)

FORMAT = 1
SCHEMA = """
CREATE TABLE facts (tab TEXT, key TEXT, value TEXT NOT NULL, expires_at INTEGER, PRIMARY KEY (tab, key)) WITHOUT ROWID;
CREATE INDEX by_expiry ON facts (expires_at) WHERE expires_at IS NOT NULL
"""
_ALL = "SELECT tab, key, value, expires_at FROM facts"
WAL_BYTES = 1_000_000
SWEEP_S = 60.0
"""How often facts that have expired are removed; nobody is given one meanwhile."""
_DISK = (sqlite3.Error, OSError, Corrupt)


@dataclass(frozen=True, slots=True)
class _Fact:
    text: str
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class _Change:
    """One put or remove; None: gone."""

    table: str
    facts: Mapping[str, _Fact | None]
    done: "asyncio.Future[None]"


class SqliteState:
    """`await open()` first, `await close()` last."""

    def __init__(self, path: Path, clock: Clock, alarm: Alarm | None = None) -> None:
        self._path = path
        self._clock = clock
        self._alarm = alarm
        self._thread = ThreadPoolExecutor(1, "state-write")
        self._tables: dict[str, dict[str, _Fact]] = {}
        self._waiting: list[_Change] = []
        self._writing: asyncio.Task[None] | None = None
        self._db: sqlite3.Connection | None = None
        self._closed = False
        self._sweep_at = 0.0
        self.moved_aside = ""
        """Path of a damaged file that was moved aside at start."""

    async def open(self) -> None:
        """Reads all facts. Raises ConfigError when another version wrote the file; a damaged one is moved aside; from a
        disk that refuses, what can be read is there and every put raises StoreFailed until the disk is well."""
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(self._thread, self._load)
        except _DISK as error:
            log.error("%s cannot be read: %s", self._path, sqlite.why(error))
            return
        for table, key, text, expires_at in rows:
            self._tables.setdefault(table, {})[key] = _Fact(text, expires_at)
        if self.moved_aside and self._alarm is not None:
            self._alarm(
                "state-damaged", "raised", f"a damaged file was moved to {self.moved_aside}; its facts are lost"
            )

    def get(self, table: str, key: str) -> Any | None:
        fact = self._tables.get(table, {}).get(key)
        return json.loads(fact.text) if fact is not None and self._lives(fact) else None

    def all(self, table: str) -> dict[str, Any]:
        facts = self._tables.get(table, {})
        return {key: json.loads(fact.text) for key, fact in facts.items() if self._lives(fact)}

    async def put(self, table: str, entries: Mapping[str, Any], expires_at: int | None = None) -> None:
        await self._change(table, {key: _Fact(_json(value), expires_at) for key, value in entries.items()})

    async def remove(self, table: str, keys: Iterable[str]) -> None:
        await self._change(table, dict.fromkeys(keys))

    async def close(self) -> None:
        """Waits for what is being written. Idempotent, never raises."""
        if self._closed:
            return
        self._closed = True
        if self._writing is not None:
            await self._writing
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._disconnect)
        await asyncio.to_thread(self._thread.shutdown)

    async def _change(self, table: str, facts: Mapping[str, _Fact | None]) -> None:
        if self._closed:
            raise StoreFailed(f"{self._path} is closed")
        change = _Change(table, facts, asyncio.get_running_loop().create_future())
        self._waiting.append(change)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting(), name="state-write")
        await change.done

    async def _write_waiting(self) -> None:
        """One transaction after another, until nobody waits. Whoever waited may have gone away meanwhile."""
        while self._waiting:
            changes, self._waiting = self._waiting, []
            try:
                now = self._clock.now() if self._sweep_is_due() else None
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, self._write, changes, now)
            except Exception as error:  # noqa: BLE001  each caller gets it
                self._settle(changes, StoreFailed(f"{self._path} cannot be written: {sqlite.why(error)}"))
            else:
                for change in changes:
                    self._take(change)
                self._vanish(now)
                self._settle(changes, None)
        self._writing = None

    @staticmethod
    def _settle(changes: list[_Change], error: StoreFailed | None) -> None:
        for change in changes:
            if change.done.done():
                continue
            if error is None:
                change.done.set_result(None)
            else:
                change.done.set_exception(error)

    def _take(self, change: _Change) -> None:
        facts = self._tables.setdefault(change.table, {})
        for key, fact in change.facts.items():
            if fact is None:
                facts.pop(key, None)
            else:
                facts[key] = fact

    def _lives(self, fact: _Fact) -> bool:
        """A clock that is not trusted lets nothing expire: a ledger of commands must not vanish by a wrong clock."""
        return fact.expires_at is None or fact.expires_at > self._clock.now() or not self._clock.trusted()

    def _sweep_is_due(self) -> bool:
        """Now and then: looking at every fact with every change would cost more than the change."""
        if self._clock.monotonic() < self._sweep_at or not self._clock.trusted():
            return False
        self._sweep_at = self._clock.monotonic() + SWEEP_S
        return True

    def _vanish(self, now: int | None) -> None:
        if now is None:
            return
        for facts in self._tables.values():
            for key in [k for k, fact in facts.items() if fact.expires_at is not None and fact.expires_at <= now]:
                del facts[key]

    # ---------------------------------------------------------------------------------------------- in the thread

    def _load(self) -> list[tuple[str, str, str, int | None]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._read()
        except Corrupt as error:
            log.error("%s; the file is moved aside", error)
            self._disconnect()
            self.moved_aside = str(sqlite.move_aside(self._path, self._clock.now()))
            return self._read()

    def _read(self) -> list[tuple[str, str, str, int | None]]:
        try:
            db = self._connect()
            sqlite.check(db, self._path)
        except (sqlite3.OperationalError, OSError):
            if not self._path.exists():
                raise
            with sqlite.reading(self._path), closing(sqlite.open_reader(self._path)) as only:
                return only.execute(_ALL).fetchall()
        with sqlite.reading(self._path):
            return db.execute(_ALL).fetchall()

    def _connect(self) -> sqlite3.Connection:
        if self._db is None:
            with sqlite.reading(self._path):
                db = sqlite.open_writer(self._path, WAL_BYTES)
            try:
                sqlite.prepare(db, SCHEMA, FORMAT, self._path)
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _write(self, changes: list[_Change], now: int | None) -> None:
        try:
            db = self._connect()
            with sqlite.reading(self._path), sqlite.transaction(db):
                for change in changes:
                    _apply(db, change)
                if now is not None:
                    db.execute("DELETE FROM facts WHERE expires_at <= ?", (now,))
        except _DISK:
            self._disconnect()
            raise


def _apply(db: sqlite3.Connection, change: _Change) -> None:
    gone = [(change.table, key) for key, fact in change.facts.items() if fact is None]
    kept = [(change.table, key, fact.text, fact.expires_at) for key, fact in change.facts.items() if fact is not None]
    db.executemany("DELETE FROM facts WHERE tab = ? AND key = ?", gone)
    db.executemany("INSERT OR REPLACE INTO facts VALUES (?,?,?,?)", kept)


def read_table(path: Path, table: str) -> dict[str, Any]:
    """The facts of one table, for a program beside the gateway; empty where there is no file. Raises StoreFailed."""
    if not path.exists():
        return {}
    try:
        with sqlite.reading(path), closing(sqlite.open_reader(path)) as db:
            rows = db.execute("SELECT key, value FROM facts WHERE tab = ?", (table,)).fetchall()
    except _DISK as error:
        raise StoreFailed(f"{path} cannot be read: {sqlite.why(error)}") from error
    return {key: json.loads(text) for key, text in rows}


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
